// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.winograd_weights: the weights [4, 3, 5, 5] are not [O, C, ..., 3, 3]
func.func @weights(%w: tensor<4x3x5x5xf32>) {
  %r = nn.winograd_weights(%w) : (tensor<4x3x5x5xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.winograd_weights: tile 3 is not one of [2, 4]
func.func @tile(%w: tensor<4x3x3x3xf32>) {
  %r = nn.winograd_weights(%w) {tile = 3} : (tensor<4x3x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.winograd_input: [3, 8, 8] is not an image with two pads for rows and for columns
func.func @image(%x: tensor<3x8x8xf32>) {
  %r = nn.winograd_input(%x) {pads = array<i64: 1, 1, 1, 1>} : (tensor<3x8x8xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.winograd_input: a 3x3 window does not fit in 2 pixels
func.func @small(%x: tensor<1x3x8x2xf32>) {
  %r = nn.winograd_input(%x) {pads = array<i64: 0, 0, 0, 0>} : (tensor<1x3x8x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.winograd_product: points [36, 2, 1, 2, 2] do not fit weights [36, 3, 5]
func.func @product(%v: tensor<36x2x1x2x2xf32>, %u: tensor<36x3x5xf32>) {
  %r = nn.winograd_product(%v, %u) : (tensor<36x2x1x2x2xf32>, tensor<36x3x5xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.winograd_product: a window of 3 (kernel 3, dilation 1) does not fit in 2 elements padded by 0 and 0
func.func @depth(%v: tensor<36x2x1x2x2x2xf32>, %u: tensor<36x3x2x3xf32>) {
  %r = nn.winograd_product(%v, %u) : (tensor<36x2x1x2x2x2xf32>, tensor<36x3x2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.winograd_output: points [36, 2, 1, 2, 2] are not those of 1 images of 8x9
func.func @output(%x: tensor<36x2x1x2x2xf32>) {
  %r = nn.winograd_output(%x) {sizes = array<i64: 1, 8, 9>} : (tensor<36x2x1x2x2xf32>) -> tensor<*xf32>
  func.return
}
