// RUN: ovc-opt %s -p recognize-activations,dce | filecheck %s

// CHECK-LABEL: @swish
// CHECK-NEXT:  %[[Y:.+]] = nn.swish(%x) {alpha = 1.000000e+00 : f64}
// CHECK-NEXT:  func.return %[[Y]]
func.func @swish(%x: tensor<4xf32>) -> tensor<4xf32> {
  %s = nn.sigmoid(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %y = nn.mul(%s, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// CHECK-LABEL: @hard_swish
// CHECK-NEXT:  %[[Y:.+]] = nn.hard_swish(%x)
// CHECK-NEXT:  func.return %[[Y]]
func.func @hard_swish(%x: tensor<4xf32>) -> tensor<4xf32> {
  %three = const.constant [3.0] : tensor<f32>
  %zero = const.constant [0.0] : tensor<f32>
  %six = const.constant [6.0] : tensor<f32>
  %a = nn.add(%x, %three) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = nn.clip(%a, %zero, %six) {operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %m = nn.mul(%x, %c) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y = nn.div(%m, %six) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// CHECK-LABEL: @hard_sigmoid
// CHECK-NEXT:  nn.hard_sigmoid(%x) {alpha = 2.000000e-01 : f64, beta = 5.000000e-01 : f64}
func.func @hard_sigmoid(%x: tensor<4xf32>) -> tensor<4xf32> {
  %five = const.constant [2.5] : tensor<f32>
  %one = const.constant [5.0] : tensor<f32>
  %zero = const.constant [0.0] : tensor<f32>
  %a = nn.add(%x, %five) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = nn.clip(%a, %zero, %one) {operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  %y = nn.div(%c, %one) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// CHECK-LABEL: @softmax
// CHECK-NEXT:  nn.softmax(%x) {axis = 1 : i64}
func.func @softmax(%x: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %axes = const.constant [-1] : tensor<1xi64>
  %m = nn.reduce_max(%x, %axes) {keepdims = 1 : i64} : (tensor<4x3xf32>, tensor<1xi64>) -> tensor<4x1xf32>
  %d = nn.sub(%x, %m) : (tensor<4x3xf32>, tensor<4x1xf32>) -> tensor<4x3xf32>
  %e = nn.exp(%d) : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %s = nn.reduce_sum(%e, %axes) {keepdims = 1 : i64} : (tensor<4x3xf32>, tensor<1xi64>) -> tensor<4x1xf32>
  %y = nn.div(%e, %s) : (tensor<4x3xf32>, tensor<4x1xf32>) -> tensor<4x3xf32>
  func.return %y : tensor<4x3xf32>
}

// A gate of another value, one that others read, one that is kept.
// CHECK-LABEL: @other
// CHECK:       nn.mul
func.func @other(%x: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %s = nn.sigmoid(%z) : (tensor<4xf32>) -> tensor<4xf32>
  %y = nn.mul(%s, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// CHECK-LABEL: @shared
// CHECK:       nn.mul
func.func @shared(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %s = nn.sigmoid(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %y = nn.mul(%s, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y, %s : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @kept
// CHECK:       nn.mul
func.func @kept(%x: tensor<4xf32>) -> tensor<4xf32> {
  %s = nn.sigmoid(%x) {keep} : (tensor<4xf32>) -> tensor<4xf32>
  %y = nn.mul(%s, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// Half floats are rounded after every primitive operation.
// CHECK-LABEL: @half
// CHECK:       nn.mul
func.func @half(%x: tensor<4xf16>) -> tensor<4xf16> {
  %s = nn.sigmoid(%x) : (tensor<4xf16>) -> tensor<4xf16>
  %y = nn.mul(%s, %x) : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16>
  func.return %y : tensor<4xf16>
}
