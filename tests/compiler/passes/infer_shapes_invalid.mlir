// RUN: ovc-opt %s -p infer-shapes --split-input-file --verify-diagnostics | filecheck %s

// CHECK: error: layer "fc1" (nn.matmul):
func.func @matmul(%x: tensor<2x3xf32>, %y: tensor<3x2xf32>) -> tensor<*xf32> {
  %axis = const.constant [2, 3] : tensor<2xi64>
  %turned = nn.reshape(%y, %axis) : (tensor<3x2xf32>, tensor<2xi64>) -> tensor<*xf32>
  %z = nn.matmul(%x, %turned) : (tensor<2x3xf32>, tensor<*xf32>) -> tensor<*xf32> loc("fc1")
  func.return %z : tensor<*xf32>
}

// -----

// CHECK: error: layer "join" (nn.concat):
func.func @concat(%x: tensor<2x3xf32>) -> tensor<*xf32> {
  %flat = nn.flatten(%x) {axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<*xf32>
  %z = nn.concat(%x, %flat) {axis = 1 : i64} : (tensor<2x3xf32>, tensor<*xf32>) -> tensor<*xf32> loc("join")
  func.return %z : tensor<*xf32>
}
