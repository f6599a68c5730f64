// RUN: ovc-opt %s -p cancel-transposes,fold-constants,dce | filecheck %s

// CHECK-LABEL: @cancel
// CHECK-NEXT:  %[[R:.+]] = nn.relu(%x)
// CHECK-NEXT:  func.return %[[R]]
func.func @cancel(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %b = nn.relu(%a) : (tensor<3x4x2xf32>) -> tensor<3x4x2xf32>
  %c = nn.transpose(%b) {perm = array<i64: 2, 0, 1>} : (tensor<3x4x2xf32>) -> tensor<2x3x4xf32>
  func.return %c : tensor<2x3x4xf32>
}

// CHECK-LABEL: @compose
// CHECK-NEXT:  %[[T:.+]] = nn.transpose(%x) {perm = array<i64: 2, 0, 1>}
// CHECK-NEXT:  func.return %[[T]]
func.func @compose(%x: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %c = nn.transpose(%a) {perm = array<i64: 1, 2, 0>} : (tensor<3x4x2xf32>) -> tensor<4x2x3xf32>
  func.return %c : tensor<4x2x3xf32>
}

// A constant is turned back.
// CHECK-LABEL: @constant
// CHECK:       const.constant [1.0, 4.0, 2.0, 5.0, 3.0, 6.0] : tensor<3x2xf32>
// CHECK-NEXT:  nn.add
// CHECK-NEXT:  nn.transpose
func.func @constant(%x: tensor<3x2xf32>) -> tensor<2x3xf32> {
  %c = const.constant [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] : tensor<2x3xf32>
  %a = nn.transpose(%x) {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %b = nn.add(%a, %c) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %b : tensor<2x3xf32>
}

// CHECK-LABEL: @both
// CHECK-NEXT:  %[[S:.+]] = nn.mul(%x, %y)
// CHECK-NEXT:  nn.transpose(%[[S]])
func.func @both(%x: tensor<3x2xf32>, %y: tensor<3x2xf32>) -> tensor<2x3xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %b = nn.transpose(%y) {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %c = nn.mul(%a, %b) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %c : tensor<2x3xf32>
}

// The other operand is not transposed, or differently.
// CHECK-LABEL: @one
// CHECK:       nn.transpose
// CHECK-NEXT:  nn.mul
func.func @one(%x: tensor<3x3xf32>, %y: tensor<3x3xf32>) -> tensor<3x3xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %c = nn.mul(%a, %y) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  func.return %c : tensor<3x3xf32>
}

// CHECK-LABEL: @different
// CHECK:       nn.transpose
// CHECK:       nn.transpose
// CHECK-NEXT:  nn.mul
func.func @different(%x: tensor<3x3x3xf32>, %y: tensor<3x3x3xf32>) -> tensor<3x3x3xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 1, 0, 2>} : (tensor<3x3x3xf32>) -> tensor<3x3x3xf32>
  %b = nn.transpose(%y) {perm = array<i64: 0, 2, 1>} : (tensor<3x3x3xf32>) -> tensor<3x3x3xf32>
  %c = nn.mul(%a, %b) : (tensor<3x3x3xf32>, tensor<3x3x3xf32>) -> tensor<3x3x3xf32>
  func.return %c : tensor<3x3x3xf32>
}

// A second reader would need the transpose anyway.
// CHECK-LABEL: @shared
// CHECK:       %[[T:.+]] = nn.transpose
// CHECK-NEXT:  nn.relu(%[[T]])
func.func @shared(%x: tensor<3x2xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %a = nn.transpose(%x) {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %b = nn.relu(%a) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %a, %b : tensor<2x3xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: @ones
// CHECK:       nn.reshape(%x
func.func @ones(%x: tensor<1x3x2xf32>) -> tensor<3x2x1xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 1, 2, 0>} : (tensor<1x3x2xf32>) -> tensor<3x2x1xf32>
  func.return %a : tensor<3x2x1xf32>
}

// CHECK-LABEL: @reshapes
// CHECK-NEXT:  %[[R:.+]] = nn.relu(%x)
// CHECK-NEXT:  func.return %[[R]]
func.func @reshapes(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %shape = const.constant [2, 3, 4] : tensor<3xi64>
  %a = nn.flatten(%x) {axis = 1 : i64} : (tensor<2x3x4xf32>) -> tensor<2x12xf32>
  %b = nn.relu(%a) : (tensor<2x12xf32>) -> tensor<2x12xf32>
  %c = nn.reshape(%b, %shape) : (tensor<2x12xf32>, tensor<3xi64>) -> tensor<2x3x4xf32>
  func.return %c : tensor<2x3x4xf32>
}

// CHECK-LABEL: @kept
// CHECK-COUNT-2: nn.transpose
func.func @kept(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 1, 0>, keep} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %b = nn.transpose(%a) {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  func.return %b : tensor<3x2xf32>
}
