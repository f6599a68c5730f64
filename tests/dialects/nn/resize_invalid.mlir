// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.resize: mode some is not one of ['nearest', 'linear', 'cubic']
func.func @resize_1(%x: tensor<1x1x2x2xf32>) {
  %scales = const.constant [1.0, 1.0, 2.0, 2.0] : tensor<4xf32>
  %r = nn.resize(%x, %scales) {mode = "some", operandSegmentSizes = array<i32: 1, 0, 1, 0>} : (tensor<1x1x2x2xf32>, tensor<4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.resize: exactly one of scales and sizes must be given
func.func @resize_2(%x: tensor<1x1x2x2xf32>) {
  %scales = const.constant [1.0, 1.0, 2.0, 2.0] : tensor<4xf32>
  %sizes = const.constant [1, 1, 4, 4] : tensor<4xi64>
  %r = nn.resize(%x, %scales, %sizes) {operandSegmentSizes = array<i32: 1, 0, 1, 1>} : (tensor<1x1x2x2xf32>, tensor<4xf32>, tensor<4xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.resize: 2 scales or sizes for 4 dimensions of [1, 1, 2, 2]
func.func @resize_3(%x: tensor<1x1x2x2xf32>) {
  %scales = const.constant [2.0, 2.0] : tensor<2xf32>
  %r = nn.resize(%x, %scales) {operandSegmentSizes = array<i32: 1, 0, 1, 0>} : (tensor<1x1x2x2xf32>, tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.resize: resizing [1, 1, 2, 2] to [1, 1, 0, 2]
func.func @resize_4(%x: tensor<1x1x2x2xf32>) {
  %scales = const.constant [1.0, 1.0, 0.25, 1.0] : tensor<4xf32>
  %r = nn.resize(%x, %scales) {operandSegmentSizes = array<i32: 1, 0, 1, 0>} : (tensor<1x1x2x2xf32>, tensor<4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.interpolate: indices [2, 2] and weights [2, 3] must be matrices of one shape
func.func @interpolate_1(%x: tensor<1x1x2x2xf32>, %indices: tensor<2x2xi64>, %weights: tensor<2x3xf32>) {
  %r = nn.interpolate(%x, %indices, %weights) : (tensor<1x1x2x2xf32>, tensor<2x2xi64>, tensor<2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.grid_sample: mode some is not one of ['nearest', 'linear', 'bilinear', 'cubic', 'bicubic']
func.func @grid_sample_1(%x: tensor<1x1x2x2xf32>, %grid: tensor<1x3x3x2xf32>) {
  %r = nn.grid_sample(%x, %grid) {mode = "some"} : (tensor<1x1x2x2xf32>, tensor<1x3x3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.grid_sample: padding_mode some is not one of ['zeros', 'border', 'reflection']
func.func @grid_sample_2(%x: tensor<1x1x2x2xf32>, %grid: tensor<1x3x3x2xf32>) {
  %r = nn.grid_sample(%x, %grid) {padding_mode = "some"} : (tensor<1x1x2x2xf32>, tensor<1x3x3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.grid_sample: the grid [1, 3, 3, 3] does not hold coordinates in the input [1, 1, 2, 2]
func.func @grid_sample_3(%x: tensor<1x1x2x2xf32>, %grid: tensor<1x3x3x3xf32>) {
  %r = nn.grid_sample(%x, %grid) : (tensor<1x1x2x2xf32>, tensor<1x3x3x3xf32>) -> tensor<*xf32>
  func.return
}
