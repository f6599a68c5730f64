// RUN: ovc-opt %s -p copy-outputs | filecheck %s

// Inputs, constants and values that are returned twice are copied.
// CHECK-LABEL: @every
// CHECK:       %[[K:.+]] = const.constant
// CHECK-NEXT:  %[[A:.+]] = nn.relu(%x)
// CHECK-NEXT:  %[[X:.+]] = nn.identity(%x)
// CHECK-NEXT:  %[[L:.+]] = nn.identity(%[[K]])
// CHECK-NEXT:  %[[B:.+]] = nn.identity(%[[A]])
// CHECK-NEXT:  func.return %[[A]], %[[X]], %[[L]], %[[B]]
func.func @every(%x: tensor<1xf32>) -> (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) {
  %k = const.constant [1.0] : tensor<1xf32>
  %a = nn.relu(%x) : (tensor<1xf32>) -> tensor<1xf32>
  func.return %a, %x, %k, %a : tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>
}
