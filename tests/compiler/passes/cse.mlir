// RUN: ovc-opt %s -p cse | filecheck %s

// Equal operations merge, and then those that read them.
// CHECK-LABEL: @chain
// CHECK-NEXT:  %[[A:.+]] = nn.relu(%x)
// CHECK-NEXT:  %[[B:.+]] = nn.neg(%[[A]])
// CHECK-NEXT:  nn.add(%[[B]], %[[B]])
func.func @chain(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = nn.relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %b = nn.neg(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %c = nn.relu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %d = nn.neg(%c) : (tensor<4xf32>) -> tensor<4xf32>
  %y = nn.add(%b, %d) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// Other properties, another operation.
// CHECK-LABEL:   @properties
// CHECK-COUNT-2: nn.leaky_relu
func.func @properties(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = nn.leaky_relu(%x) {alpha = 0.1 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %b = nn.leaky_relu(%x) {alpha = 0.2 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %y = nn.add(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// Constants are equal by type and content.
// CHECK-LABEL:   @constants
// CHECK-COUNT-2: const.constant
// CHECK-NOT:     const.constant
// CHECK:         func.return
func.func @constants(%x: tensor<2xf32>) -> tensor<2xf32> {
  %k = const.constant [1.0, 2.0] : tensor<2xf32>
  %l = const.constant [1.0, 2.0] : tensor<2xf32>
  %m = const.constant [1.0, 3.0] : tensor<2xf32>
  %a = nn.add(%x, %k) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %b = nn.add(%a, %l) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %c = nn.add(%b, %m) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return %c : tensor<2xf32>
}
