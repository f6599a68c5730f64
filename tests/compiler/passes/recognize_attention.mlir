// RUN: ovc-opt %s -p recognize-attention,dce | filecheck %s

// CHECK-LABEL: @plain
// CHECK-NEXT:  %[[Y:.+]] = nn.attention(%q, %k, %v) {scale = 5.000000e-01 : f64, transposed_keys = 0 : i64}
// CHECK-NEXT:  func.return %[[Y]]
func.func @plain(%q: tensor<1x2x4xf32>, %k: tensor<1x3x4xf32>, %v: tensor<1x3x5xf32>) -> tensor<1x2x5xf32> {
  %half = const.constant [0.5] : tensor<f32>
  %a = nn.mul(%q, %half) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %t = nn.transpose(%k) {perm = array<i64: 0, 2, 1>} : (tensor<1x3x4xf32>) -> tensor<1x4x3xf32>
  %s = nn.matmul(%a, %t) : (tensor<1x2x4xf32>, tensor<1x4x3xf32>) -> tensor<1x2x3xf32>
  %p = nn.softmax(%s) {axis = -1 : i64} : (tensor<1x2x3xf32>) -> tensor<1x2x3xf32>
  %y = nn.matmul(%p, %v) : (tensor<1x2x3xf32>, tensor<1x3x5xf32>) -> tensor<1x2x5xf32>
  func.return %y : tensor<1x2x5xf32>
}

// Keys that come in another order stay as they are.
// CHECK-LABEL: @masked
// CHECK-NEXT:  %[[T:.+]] = nn.transpose(%k)
// CHECK-NEXT:  %[[Y:.+]] = nn.attention(%q, %[[T]], %v, %m) {scale = 2.000000e+00 : f64, transposed_keys = 1 : i64}
// CHECK-NEXT:  func.return %[[Y]]
func.func @masked(%q: tensor<1x6x2x4xf32>, %k: tensor<1x3x6x4xf32>, %v: tensor<1x6x3x5xf32>, %m: tensor<1x1x1x3xf32>) -> tensor<1x6x2x5xf32> {
  %half = const.constant [0.5] : tensor<f32>
  %t = nn.transpose(%k) {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x3x6x4xf32>) -> tensor<1x6x4x3xf32>
  %s = nn.matmul(%q, %t) : (tensor<1x6x2x4xf32>, tensor<1x6x4x3xf32>) -> tensor<1x6x2x3xf32>
  %d = nn.div(%s, %half) : (tensor<1x6x2x3xf32>, tensor<f32>) -> tensor<1x6x2x3xf32>
  %a = nn.add(%d, %m) : (tensor<1x6x2x3xf32>, tensor<1x1x1x3xf32>) -> tensor<1x6x2x3xf32>
  %p = nn.softmax(%a) {axis = 3 : i64} : (tensor<1x6x2x3xf32>) -> tensor<1x6x2x3xf32>
  %y = nn.matmul(%p, %v) : (tensor<1x6x2x3xf32>, tensor<1x6x3x5xf32>) -> tensor<1x6x2x5xf32>
  func.return %y : tensor<1x6x2x5xf32>
}

// CHECK-LABEL: @seen
// CHECK-NEXT:  %[[Y:.+]] = nn.attention(%q, %k, %v, %m) {scale = 1.000000e+00 : f64, masked = -1.000000e+04 : f64, transposed_keys = 1 : i64}
// CHECK-NEXT:  func.return %[[Y]]
func.func @seen(%q: tensor<1x2x4xf32>, %k: tensor<1x4x3xf32>, %v: tensor<1x3x5xf32>, %m: tensor<2x3xi1>) -> tensor<1x2x5xf32> {
  %low = const.constant [-10000.0] : tensor<f32>
  %s = nn.matmul(%q, %k) : (tensor<1x2x4xf32>, tensor<1x4x3xf32>) -> tensor<1x2x3xf32>
  %w = nn.where(%m, %s, %low) : (tensor<2x3xi1>, tensor<1x2x3xf32>, tensor<f32>) -> tensor<1x2x3xf32>
  %p = nn.softmax(%w) {axis = -1 : i64} : (tensor<1x2x3xf32>) -> tensor<1x2x3xf32>
  %y = nn.matmul(%p, %v) : (tensor<1x2x3xf32>, tensor<1x3x5xf32>) -> tensor<1x2x5xf32>
  func.return %y : tensor<1x2x5xf32>
}

// The softmax is over the queries.
// CHECK-LABEL: @columns
// CHECK-NOT:   nn.attention
// CHECK:       nn.softmax
func.func @columns(%q: tensor<1x2x4xf32>, %k: tensor<1x4x3xf32>, %v: tensor<1x3x5xf32>) -> tensor<1x2x5xf32> {
  %s = nn.matmul(%q, %k) : (tensor<1x2x4xf32>, tensor<1x4x3xf32>) -> tensor<1x2x3xf32>
  %p = nn.softmax(%s) {axis = 1 : i64} : (tensor<1x2x3xf32>) -> tensor<1x2x3xf32>
  %y = nn.matmul(%p, %v) : (tensor<1x2x3xf32>, tensor<1x3x5xf32>) -> tensor<1x2x5xf32>
  func.return %y : tensor<1x2x5xf32>
}

// The user wants the weights too.
// CHECK-LABEL: @weights
// CHECK-NOT:   nn.attention
// CHECK:       nn.softmax
func.func @weights(%q: tensor<1x2x4xf32>, %k: tensor<1x4x3xf32>, %v: tensor<1x3x5xf32>) -> (tensor<1x2x5xf32>, tensor<1x2x3xf32>) {
  %s = nn.matmul(%q, %k) : (tensor<1x2x4xf32>, tensor<1x4x3xf32>) -> tensor<1x2x3xf32>
  %p = nn.softmax(%s) {axis = -1 : i64} : (tensor<1x2x3xf32>) -> tensor<1x2x3xf32>
  %y = nn.matmul(%p, %v) : (tensor<1x2x3xf32>, tensor<1x3x5xf32>) -> tensor<1x2x5xf32>
  func.return %y, %p : tensor<1x2x5xf32>, tensor<1x2x3xf32>
}

// An attention takes in how its keys are turned.
// CHECK-LABEL: @turned
// CHECK-NEXT:  %[[T:.+]] = nn.transpose(%k) {perm = array<i64: 0, 2, 3, 1>}
// CHECK-NEXT:  %[[Y:.+]] = nn.attention(%q, %[[T]], %v) {scale = 1.000000e+00 : f64, transposed_keys = 1 : i64}
// CHECK-NEXT:  func.return %[[Y]]
func.func @turned(%q: tensor<1x6x2x4xf32>, %k: tensor<1x3x6x4xf32>, %v: tensor<1x6x3x5xf32>) -> tensor<1x6x2x5xf32> {
  %t = nn.transpose(%k) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x3x6x4xf32>) -> tensor<1x6x3x4xf32>
  %y = nn.attention(%q, %t, %v) : (tensor<1x6x2x4xf32>, tensor<1x6x3x4xf32>, tensor<1x6x3x5xf32>) -> tensor<1x6x2x5xf32>
  func.return %y : tensor<1x6x2x5xf32>
}
