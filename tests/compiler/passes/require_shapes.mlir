// RUN: ovc-opt %s -p require-shapes --split-input-file --verify-diagnostics | filecheck %s

// CHECK: error: nn.range: the shape of its result is unknown: limit is not a constant, it follows from the values of input "arg0". Make it a constant of the model
func.func @main(%n: tensor<i64>) -> tensor<*xi64> {
  %zero = const.constant [0] : tensor<i64>
  %one = const.constant [1] : tensor<i64>
  %0 = nn.range(%zero, %n, %one) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<*xi64>
  %1 = nn.neg(%0) : (tensor<*xi64>) -> tensor<*xi64>
  func.return %1 : tensor<*xi64>
}

// -----

// The name of an input is the user's, and the data itself is not to blame.
// CHECK: error: nn.expand: the shape of its result is unknown: shape is not a constant, it follows from the values of input "sizes". Make it a constant of the model
func.func @main(%x: tensor<4xf32>, %sizes: tensor<2xi64>) -> tensor<*xf32> attributes {input_names = ["x", "sizes"]} {
  %0 = nn.abs(%sizes) : (tensor<2xi64>) -> tensor<2xi64>
  %1 = nn.expand(%x, %0) : (tensor<4xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return %1 : tensor<*xf32>
}

// -----

// CHECK: func.func @main
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}
