// RUN: ovc-opt %s -p dce | filecheck %s

// A dead chain goes in one run; constants go with their last reader.
// CHECK-LABEL: @chain
// CHECK-NOT:   nn.neg
// CHECK-NOT:   const.constant
// CHECK:       nn.relu(%x)
// CHECK-NEXT:  func.return
func.func @chain(%x: tensor<4xf32>) -> tensor<4xf32> {
  %one = const.constant [1.0] : tensor<1xf32>
  %a = nn.add(%x, %one) : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  %b = nn.neg(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %y = nn.relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// An operation stays while one of its results is read.
// CHECK-LABEL: @half
// CHECK:       nn.split
func.func @half(%x: tensor<4xf32>) -> tensor<2xf32> {
  %a, %b = nn.split(%x) {axis = 0 : i64, num_outputs = 2 : i64} : (tensor<4xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return %b : tensor<2xf32>
}

// Unused arguments are part of the interface.
// CHECK-LABEL: @arguments(%x: tensor<4xf32>, %y: tensor<4xf32>)
func.func @arguments(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  func.return %y : tensor<4xf32>
}
