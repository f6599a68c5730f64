// RUN: ovc-opt %s -p remove-identity,dce | filecheck %s

// CHECK-LABEL: @plain
// CHECK-NEXT:  func.return %x
func.func @plain(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %a = nn.identity(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %b = nn.dropout(%a) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %c = nn.cast(%b) {to = f32} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %d = nn.transpose(%c) {perm = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %e = nn.concat(%d) {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %f = nn.flatten(%e) {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %f : tensor<2x3xf32>
}

// Shapes that stay: reshape, expand, tile, slice, pad by nothing.
// CHECK-LABEL: @shapes
// CHECK-NEXT:  func.return %x
func.func @shapes(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %shape = const.constant [2, -1] : tensor<2xi64>
  %a = nn.reshape(%x, %shape) : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  %one = const.constant [1, 1] : tensor<2xi64>
  %b = nn.expand(%a, %one) : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  %c = nn.tile(%b, %one) : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  %pads = const.constant [0, 0, 0, 0] : tensor<4xi64>
  %d = nn.pad(%c, %pads) {mode = "constant", operandSegmentSizes = array<i32: 1, 1, 0, 0>} : (tensor<2x3xf32>, tensor<4xi64>) -> tensor<2x3xf32>
  %start = const.constant [0] : tensor<1xi64>
  %end = const.constant [9] : tensor<1xi64>
  %e = nn.slice(%d, %start, %end) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<2x3xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x3xf32>
  func.return %e : tensor<2x3xf32>
}

// A pad may shift, a slice may turn around: the shape does not tell.
// CHECK-LABEL: @not_shapes
// CHECK:       nn.pad
// CHECK:       nn.slice
func.func @not_shapes(%x: tensor<4xf32>) -> tensor<4xf32> {
  %pads = const.constant [1, -1] : tensor<2xi64>
  %a = nn.pad(%x, %pads) {mode = "constant", operandSegmentSizes = array<i32: 1, 1, 0, 0>} : (tensor<4xf32>, tensor<2xi64>) -> tensor<4xf32>
  %start = const.constant [3] : tensor<1xi64>
  %end = const.constant [-5] : tensor<1xi64>
  %axis = const.constant [0] : tensor<1xi64>
  %step = const.constant [-1] : tensor<1xi64>
  %b = nn.slice(%a, %start, %end, %axis, %step) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>} : (tensor<4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xf32>
  func.return %b : tensor<4xf32>
}

// Only a transposition that keeps the order of the elements goes.
// CHECK-LABEL: @transpose
// CHECK-NEXT:  %[[T:.+]] = nn.transpose(%x) {perm = array<i64: 0, 2, 1>}
// CHECK-NEXT:  func.return %[[T]]
func.func @transpose(%x: tensor<1x3x3xf32>) -> tensor<1x3x3xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 0, 2, 1>} : (tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
  func.return %a : tensor<1x3x3xf32>
}

// CHECK-LABEL: @ones
// CHECK-NEXT:  func.return %x
func.func @ones(%x: tensor<1x1x3xf32>) -> tensor<1x1x3xf32> {
  %a = nn.transpose(%x) {perm = array<i64: 1, 0, 2>} : (tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return %a : tensor<1x1x3xf32>
}

// Numbers that change nothing, bit for bit.
// CHECK-LABEL: @neutral
// CHECK-NEXT:  func.return %x
func.func @neutral(%x: tensor<2xf32>) -> tensor<2xf32> {
  %one = const.constant [1.0] : tensor<1xf32>
  %zero = const.constant [0.0] : tensor<1xf32>
  %minus = const.constant [-0.0] : tensor<1xf32>
  %a = nn.mul(%one, %x) : (tensor<1xf32>, tensor<2xf32>) -> tensor<2xf32>
  %b = nn.div(%a, %one) : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf32>
  %c = nn.pow(%b, %one) : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf32>
  %d = nn.sub(%c, %zero) : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf32>
  %e = nn.add(%d, %minus) : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf32>
  func.return %e : tensor<2xf32>
}

// Adding zero turns -0.0 into 0.0; one minus x is not x; a broadcast changes the type.
// CHECK-LABEL: @not_neutral
// CHECK:       nn.add
// CHECK:       nn.sub
// CHECK:       nn.mul
func.func @not_neutral(%x: tensor<2xf32>) -> tensor<1x2xf32> {
  %zero = const.constant [0.0] : tensor<1xf32>
  %a = nn.add(%x, %zero) : (tensor<2xf32>, tensor<1xf32>) -> tensor<2xf32>
  %b = nn.sub(%zero, %a) : (tensor<1xf32>, tensor<2xf32>) -> tensor<2xf32>
  %one = const.constant [1.0] : tensor<1x1xf32>
  %c = nn.mul(%b, %one) : (tensor<2xf32>, tensor<1x1xf32>) -> tensor<1x2xf32>
  func.return %c : tensor<1x2xf32>
}

// Whole numbers have one zero.
// CHECK-LABEL: @integers
// CHECK-NEXT:  func.return %x
func.func @integers(%x: tensor<2xi64>) -> tensor<2xi64> {
  %zero = const.constant [0] : tensor<1xi64>
  %one = const.constant [1, 1] : tensor<2xi64>
  %a = nn.add(%x, %zero) : (tensor<2xi64>, tensor<1xi64>) -> tensor<2xi64>
  %b = nn.mul(%a, %one) : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
  func.return %b : tensor<2xi64>
}
