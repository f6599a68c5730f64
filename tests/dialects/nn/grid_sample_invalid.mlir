// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.grid_sample: mode area is not one of ['nearest', 'linear', 'bilinear', 'cubic', 'bicubic']
func.func @mode(%x: tensor<1x2x4x4xf32>, %g: tensor<1x3x3x2xf32>) {
  %r = nn.grid_sample(%x, %g) {mode = "area"} : (tensor<1x2x4x4xf32>, tensor<1x3x3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.grid_sample: padding_mode edge is not one of ['zeros', 'border', 'reflection']
func.func @padding(%x: tensor<1x2x4x4xf32>, %g: tensor<1x3x3x2xf32>) {
  %r = nn.grid_sample(%x, %g) {padding_mode = "edge"} : (tensor<1x2x4x4xf32>, tensor<1x3x3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.grid_sample: the grid [1, 3, 3, 3] does not hold coordinates in the input [1, 2, 4, 4]
func.func @grid(%x: tensor<1x2x4x4xf32>, %g: tensor<1x3x3x3xf32>) {
  %r = nn.grid_sample(%x, %g) : (tensor<1x2x4x4xf32>, tensor<1x3x3x3xf32>) -> tensor<*xf32>
  func.return
}
