// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.range: delta is 0
func.func @range_1() {
  %start = const.constant [0] : tensor<1xi64>
  %limit = const.constant [4] : tensor<1xi64>
  %delta = const.constant [0] : tensor<1xi64>
  %r = nn.range(%start, %limit, %delta) : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xi64>
  func.return
}

// -----

// CHECK: nn.eye_like: x has shape [2, 3, 4], expected a matrix
func.func @eye_like_1(%x: tensor<2x3x4xf32>) {
  %r = nn.eye_like(%x) : (tensor<2x3x4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.trilu: x has shape [4], expected matrices
func.func @trilu_1(%x: tensor<4xf32>) {
  %r = nn.trilu(%x) : (tensor<4xf32>) -> tensor<*xf32>
  func.return
}
