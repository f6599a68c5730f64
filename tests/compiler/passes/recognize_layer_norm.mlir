// RUN: ovc-opt %s -p recognize-layer-norm,dce | filecheck %s

// CHECK-LABEL: @plain
// CHECK:       %[[S:.+]] = const.constant [1.0, 1.0, 1.0] : tensor<3xf32>
// CHECK-NEXT:  %[[Y:.+]], %{{.+}}, %{{.+}} = nn.layer_norm(%x, %[[S]]) {axis = 1 : i64, epsilon = 5.000000e-01 : f64}
// CHECK-NEXT:  func.return %[[Y]]
func.func @plain(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %axes = const.constant [1] : tensor<1xi64>
  %e = const.constant [0.5] : tensor<f32>
  %m = nn.reduce_mean(%x, %axes) {keepdims = 1 : i64} : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<2x1xf32>
  %d = nn.sub(%x, %m) : (tensor<2x3xf32>, tensor<2x1xf32>) -> tensor<2x3xf32>
  %q = nn.mul(%d, %d) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %v = nn.reduce_mean(%q, %axes) {keepdims = 1 : i64} : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<2x1xf32>
  %a = nn.add(%v, %e) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %r = nn.sqrt(%a) : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %y = nn.div(%d, %r) : (tensor<2x3xf32>, tensor<2x1xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}

// Means over dimensions that are not the last.
// CHECK-LABEL: @first
// CHECK-NOT:   nn.layer_norm
// CHECK:       nn.div
func.func @first(%x: tensor<3x3xf32>) -> tensor<3x3xf32> {
  %axes = const.constant [0] : tensor<1xi64>
  %e = const.constant [0.5] : tensor<f32>
  %m = nn.reduce_mean(%x, %axes) {keepdims = 1 : i64} : (tensor<3x3xf32>, tensor<1xi64>) -> tensor<1x3xf32>
  %d = nn.sub(%x, %m) : (tensor<3x3xf32>, tensor<1x3xf32>) -> tensor<3x3xf32>
  %q = nn.mul(%d, %d) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %v = nn.reduce_mean(%q, %axes) {keepdims = 1 : i64} : (tensor<3x3xf32>, tensor<1xi64>) -> tensor<1x3xf32>
  %a = nn.add(%v, %e) : (tensor<1x3xf32>, tensor<f32>) -> tensor<1x3xf32>
  %r = nn.sqrt(%a) : (tensor<1x3xf32>) -> tensor<1x3xf32>
  %y = nn.div(%d, %r) : (tensor<3x3xf32>, tensor<1x3xf32>) -> tensor<3x3xf32>
  func.return %y : tensor<3x3xf32>
}

// The variance is read elsewhere.
// CHECK-LABEL: @shared
// CHECK-NOT:   nn.layer_norm
// CHECK:       nn.div
func.func @shared(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x1xf32>) {
  %axes = const.constant [1] : tensor<1xi64>
  %e = const.constant [0.5] : tensor<f32>
  %m = nn.reduce_mean(%x, %axes) {keepdims = 1 : i64} : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<2x1xf32>
  %d = nn.sub(%x, %m) : (tensor<2x3xf32>, tensor<2x1xf32>) -> tensor<2x3xf32>
  %q = nn.mul(%d, %d) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %v = nn.reduce_mean(%q, %axes) {keepdims = 1 : i64} : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<2x1xf32>
  %a = nn.add(%v, %e) : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %r = nn.sqrt(%a) : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %y = nn.div(%d, %r) : (tensor<2x3xf32>, tensor<2x1xf32>) -> tensor<2x3xf32>
  func.return %y, %v : tensor<2x3xf32>, tensor<2x1xf32>
}
