// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.top_k: k is 4, expected 0 to 3
func.func @top_k_1(%x: tensor<2x3xf32>) {
  %k = const.constant [4] : tensor<1xi64>
  %r0, %r1 = nn.top_k(%x, %k) : (tensor<2x3xf32>, tensor<1xi64>) -> (tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.one_hot: values have shape [3], expected [2]
func.func @one_hot_1(%indices: tensor<2xi64>, %values: tensor<3xf32>) {
  %depth = const.constant [3] : tensor<1xi64>
  %r = nn.one_hot(%indices, %depth, %values) : (tensor<2xi64>, tensor<1xi64>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.one_hot: depth 0 is not positive
func.func @one_hot_2(%indices: tensor<2xi64>, %values: tensor<2xf32>) {
  %depth = const.constant [0] : tensor<1xi64>
  %r = nn.one_hot(%indices, %depth, %values) : (tensor<2xi64>, tensor<1xi64>, tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.arg_max: axis 2 is outside rank 2
func.func @arg_max_1(%x: tensor<2x3xf32>) {
  %r = nn.arg_max(%x) {axis = 2 : i64} : (tensor<2x3xf32>) -> tensor<*xi64>
  func.return
}

// -----

// CHECK: nn.softmax: axis -3 is outside rank 2
func.func @softmax_1(%x: tensor<2x3xf32>) {
  %r = nn.softmax(%x) {axis = -3 : i64} : (tensor<2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.reduce_sum: axis 2 is outside rank 2
func.func @reduce_sum_1(%x: tensor<2x3xf32>) {
  %axes = const.constant [2] : tensor<1xi64>
  %r = nn.reduce_sum(%x, %axes) : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}
