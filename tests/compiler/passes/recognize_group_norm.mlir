// RUN: ovc-opt %s -p recognize-group-norm,fold-constants,dce | filecheck %s

// CHECK-LABEL: @torch
// CHECK:       %[[S:.+]] = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<4xf32>
// CHECK-NEXT:  %[[B:.+]] = const.constant [5.0, 6.0, 7.0, 8.0] : tensor<4xf32>
// CHECK-NEXT:  %[[Y:.+]] = nn.group_norm(%x, %[[S]], %[[B]]) {num_groups = 2 : i64, epsilon = 5.000000e-01 : f64}
// CHECK-NEXT:  func.return %[[Y]]
func.func @torch(%x: tensor<1x4x3xf32>) -> tensor<1x4x3xf32> {
  %groups = const.constant [0, 2, -1] : tensor<3xi64>
  %back = const.constant [1, 4, 3] : tensor<3xi64>
  %one = const.constant [1.0, 1.0] : tensor<2xf32>
  %zero = const.constant [0.0, 0.0] : tensor<2xf32>
  %s = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<4x1xf32>
  %b = const.constant [5.0, 6.0, 7.0, 8.0] : tensor<4x1xf32>
  %r = nn.reshape(%x, %groups) : (tensor<1x4x3xf32>, tensor<3xi64>) -> tensor<1x2x6xf32>
  %n = nn.instance_norm(%r, %one, %zero) {epsilon = 5.000000e-01 : f64} : (tensor<1x2x6xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x6xf32>
  %t = nn.reshape(%n, %back) : (tensor<1x2x6xf32>, tensor<3xi64>) -> tensor<1x4x3xf32>
  %m = nn.mul(%t, %s) : (tensor<1x4x3xf32>, tensor<4x1xf32>) -> tensor<1x4x3xf32>
  %y = nn.add(%m, %b) : (tensor<1x4x3xf32>, tensor<4x1xf32>) -> tensor<1x4x3xf32>
  func.return %y : tensor<1x4x3xf32>
}

// A scale and a bias for each group: (n * [2, 3] + [1, 0]) * 2.
// CHECK-LABEL: @per_group
// CHECK:       %[[S:.+]] = const.constant [4.0, 4.0, 6.0, 6.0] : tensor<4xf32>
// CHECK-NEXT:  %[[B:.+]] = const.constant [2.0, 2.0, 0.0, 0.0] : tensor<4xf32>
// CHECK-NEXT:  nn.group_norm(%x, %[[S]], %[[B]])
func.func @per_group(%x: tensor<1x4x3xf32>) -> tensor<1x4x3xf32> {
  %groups = const.constant [1, 2, 6] : tensor<3xi64>
  %back = const.constant [1, 4, 3] : tensor<3xi64>
  %s = const.constant [2.0, 3.0] : tensor<2xf32>
  %b = const.constant [1.0, 0.0] : tensor<2xf32>
  %two = const.constant [2.0] : tensor<1xf32>
  %r = nn.reshape(%x, %groups) : (tensor<1x4x3xf32>, tensor<3xi64>) -> tensor<1x2x6xf32>
  %n = nn.instance_norm(%r, %s, %b) : (tensor<1x2x6xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x6xf32>
  %t = nn.reshape(%n, %back) : (tensor<1x2x6xf32>, tensor<3xi64>) -> tensor<1x4x3xf32>
  %y = nn.mul(%t, %two) : (tensor<1x4x3xf32>, tensor<1xf32>) -> tensor<1x4x3xf32>
  func.return %y : tensor<1x4x3xf32>
}

// The groups are read elsewhere.
// CHECK-LABEL: @shared
// CHECK-NOT:   nn.group_norm
// CHECK:       nn.instance_norm
func.func @shared(%x: tensor<1x4x3xf32>) -> (tensor<1x4x3xf32>, tensor<1x2x6xf32>) {
  %groups = const.constant [1, 2, 6] : tensor<3xi64>
  %back = const.constant [1, 4, 3] : tensor<3xi64>
  %one = const.constant [1.0, 1.0] : tensor<2xf32>
  %r = nn.reshape(%x, %groups) : (tensor<1x4x3xf32>, tensor<3xi64>) -> tensor<1x2x6xf32>
  %n = nn.instance_norm(%r, %one, %one) : (tensor<1x2x6xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x6xf32>
  %y = nn.reshape(%n, %back) : (tensor<1x2x6xf32>, tensor<3xi64>) -> tensor<1x4x3xf32>
  func.return %y, %n : tensor<1x4x3xf32>, tensor<1x2x6xf32>
}
