// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.max_pool: the input [1, 3] has rank 2, expected [N, C, spatial...]
func.func @max_pool_1(%x: tensor<1x3xf32>) {
  %r = nn.max_pool(%x) {kernel_shape = array<i64: 2>} : (tensor<1x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.max_pool: kernel [2] does not fit the spatial dimensions [8, 8]
func.func @max_pool_2(%x: tensor<1x3x8x8xf32>) {
  %r = nn.max_pool(%x) {kernel_shape = array<i64: 2>} : (tensor<1x3x8x8xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.average_pool: a window of 9 (kernel 9, dilation 1) does not fit in 8 elements padded by 0 and 0
func.func @average_pool_1(%x: tensor<1x3x8x8xf32>) {
  %r = nn.average_pool(%x) {kernel_shape = array<i64: 9, 1>} : (tensor<1x3x8x8xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.global_average_pool: the input [1, 3] has rank 2, expected [N, C, spatial...]
func.func @global_average_pool_1(%x: tensor<1x3xf32>) {
  %r = nn.global_average_pool(%x) : (tensor<1x3xf32>) -> tensor<*xf32>
  func.return
}
