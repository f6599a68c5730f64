// RUN: ovc-opt %s -p fold-constants | filecheck %s
// RUN: ovc-opt %s -p 'fold-constants{limit=8}' | filecheck %s --check-prefix SMALL

// A chain becomes one constant; what it was made of goes.
// CHECK-LABEL: @chain
// CHECK-NEXT:  %[[K:.+]] = const.constant [-3.0, -5.0] : tensor<2xf32>
// CHECK-NEXT:  nn.mul(%x, %[[K]])
func.func @chain(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = const.constant [1.0, 2.0] : tensor<2xf32>
  %b = const.constant [2.0, 3.0] : tensor<2xf32>
  %c = nn.add(%a, %b) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %d = nn.neg(%c) : (tensor<2xf32>) -> tensor<2xf32>
  %y = nn.mul(%x, %d) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}

// A constant that someone else reads stays.
// CHECK-LABEL:   @shared
// CHECK-COUNT-2: const.constant
func.func @shared(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = const.constant [1.0, 2.0] : tensor<2xf32>
  %b = nn.neg(%a) : (tensor<2xf32>) -> tensor<2xf32>
  %c = nn.mul(%x, %b) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %y = nn.mul(%c, %a) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}

// Results that are larger than their operands and the limit are not stored.
// CHECK-LABEL: @growth
// CHECK-NOT:   nn.expand
// SMALL-LABEL: @growth
// SMALL:       nn.expand
func.func @growth(%x: tensor<64xf32>) -> tensor<64xf32> {
  %one = const.constant [1.0] : tensor<1xf32>
  %shape = const.constant [64] : tensor<1xi64>
  %ones = nn.expand(%one, %shape) : (tensor<1xf32>, tensor<1xi64>) -> tensor<64xf32>
  %y = nn.add(%x, %ones) : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32>
  func.return %y : tensor<64xf32>
}

// Without a known shape an operation is left to infer-shapes.
// CHECK-LABEL: @unknown
// CHECK:       nn.neg
func.func @unknown() -> tensor<*xf32> {
  %one = const.constant [1.0] : tensor<1xf32>
  %y = nn.neg(%one) : (tensor<1xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
