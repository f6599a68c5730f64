// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.reshape: cannot reshape [4] to [2, -1, -1]: sizes are positive, 0, or one -1
func.func @reshape_1(%x: tensor<4xf32>) {
  %shape = const.constant [2, -1, -1] : tensor<3xi64>
  %r = nn.reshape(%x, %shape) : (tensor<4xf32>, tensor<3xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.reshape: cannot reshape [4] to [2, 3]: the number of elements differs
func.func @reshape_2(%x: tensor<4xf32>) {
  %shape = const.constant [2, 3] : tensor<2xi64>
  %r = nn.reshape(%x, %shape) : (tensor<4xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.reshape: cannot reshape [4] to [4, 0]: a 0 stands behind the last dimension
func.func @reshape_3(%x: tensor<4xf32>) {
  %shape = const.constant [4, 0] : tensor<2xi64>
  %r = nn.reshape(%x, %shape) : (tensor<4xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.flatten: axis 3 is outside [-2, 2]
func.func @flatten_1(%x: tensor<2x3xf32>) {
  %r = nn.flatten(%x) {axis = 3 : i64} : (tensor<2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.squeeze: axis 0 of [2, 3] is not of size 1
func.func @squeeze_1(%x: tensor<2x3xf32>) {
  %axes = const.constant [0] : tensor<1xi64>
  %r = nn.squeeze(%x, %axes) : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.unsqueeze: axes [0, 0] name one position twice
func.func @unsqueeze_1(%x: tensor<2x3xf32>) {
  %axes = const.constant [0, 0] : tensor<2xi64>
  %r = nn.unsqueeze(%x, %axes) : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.unsqueeze: axis 4 is outside rank 3
func.func @unsqueeze_2(%x: tensor<2x3xf32>) {
  %axes = const.constant [4] : tensor<1xi64>
  %r = nn.unsqueeze(%x, %axes) : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}
