// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.conv: the input [1, 3] has rank 2, expected [N, C, spatial...]
func.func @conv_1(%x: tensor<1x3xf32>, %w: tensor<4x3xf32>) {
  %r = nn.conv(%x, %w) : (tensor<1x3xf32>, tensor<4x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: the weights [4, 3, 3] do not have the rank of the input [1, 3, 8, 8]
func.func @conv_2(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3xf32>) {
  %r = nn.conv(%x, %w) : (tensor<1x3x8x8xf32>, tensor<4x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: the bias [3] does not match the 4 output channels
func.func @conv_3(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %b: tensor<3xf32>) {
  %r = nn.conv(%x, %w, %b) : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: 3 output channels do not divide into 2 groups
func.func @conv_4(%x: tensor<1x4x8x8xf32>, %w: tensor<3x2x3x3xf32>) {
  %r = nn.conv(%x, %w) {group = 2 : i64} : (tensor<1x4x8x8xf32>, tensor<3x2x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: the input has 3 channels, the weights [4, 2, 3, 3] in 1 group(s) expect 2
func.func @conv_5(%x: tensor<1x3x8x8xf32>, %w: tensor<4x2x3x3xf32>) {
  %r = nn.conv(%x, %w) : (tensor<1x3x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: strides [1] has 1 numbers, expected 2
func.func @conv_6(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  %r = nn.conv(%x, %w) {strides = array<i64: 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: strides [0, 1] must be at least 1
func.func @conv_7(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  %r = nn.conv(%x, %w) {strides = array<i64: 0, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: pads [0, 0, 0, -1] must be at least 0
func.func @conv_8(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  %r = nn.conv(%x, %w) {pads = array<i64: 0, 0, 0, -1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: auto_pad SOME is not one of ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID']
func.func @conv_9(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  %r = nn.conv(%x, %w) {auto_pad = "SOME"} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv: a window of 5 (kernel 3, dilation 2) does not fit in 2 elements padded by 0 and 0
func.func @conv_10(%x: tensor<1x3x2x8xf32>, %w: tensor<4x3x3x3xf32>) {
  %r = nn.conv(%x, %w) {dilations = array<i64: 2, 1>} : (tensor<1x3x2x8xf32>, tensor<4x3x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv_transpose: the input has 4 channels, the weights [3, 2, 3, 3] expect 3
func.func @conv_transpose_1(%x: tensor<1x4x8x8xf32>, %w: tensor<3x2x3x3xf32>) {
  %r = nn.conv_transpose(%x, %w) : (tensor<1x4x8x8xf32>, tensor<3x2x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv_transpose: 4 input channels do not divide into 3 groups
func.func @conv_transpose_2(%x: tensor<1x4x8x8xf32>, %w: tensor<4x2x3x3xf32>) {
  %r = nn.conv_transpose(%x, %w) {group = 3 : i64} : (tensor<1x4x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv_transpose: output_shape [16] needs 2 sizes
func.func @conv_transpose_3(%x: tensor<1x4x8x8xf32>, %w: tensor<4x2x3x3xf32>) {
  %r = nn.conv_transpose(%x, %w) {output_shape = array<i64: 16>} : (tensor<1x4x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv_transpose: auto_pad SOME is not one of ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID']
func.func @conv_transpose_4(%x: tensor<1x4x8x8xf32>, %w: tensor<4x2x3x3xf32>) {
  %r = nn.conv_transpose(%x, %w) {auto_pad = "SOME"} : (tensor<1x4x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.conv_transpose: dimension 0 of the output would be 0
func.func @conv_transpose_5(%x: tensor<1x4x1x8xf32>, %w: tensor<4x2x1x3xf32>) {
  %r = nn.conv_transpose(%x, %w) {pads = array<i64: 1, 0, 0, 0>} : (tensor<1x4x1x8xf32>, tensor<4x2x1x3xf32>) -> tensor<*xf32>
  func.return
}
