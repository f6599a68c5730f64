// RUN: ovc-opt %s -p turn-products | filecheck %s

// CHECK-LABEL: @values_by_shares
// CHECK-NEXT: %[[V:.+]] = nn.transpose(%v) {perm = array<i64: 0, 2, 1>}
// CHECK-NEXT: %[[M:.+]] = nn.matmul(%p, %[[V]])
// CHECK-NEXT: %[[Y:.+]] = nn.transpose(%[[M]]) {perm = array<i64: 0, 2, 1>}
// CHECK-NEXT: func.return %[[Y]]
func.func @values_by_shares(%v: tensor<2x3x16xf32>, %p: tensor<2x16x16xf32>) -> tensor<2x3x16xf32> {
  %t = nn.transpose(%p) {perm = array<i64: 0, 2, 1>} : (tensor<2x16x16xf32>) -> tensor<2x16x16xf32>
  %y = nn.matmul(%v, %t) : (tensor<2x3x16xf32>, tensor<2x16x16xf32>) -> tensor<2x3x16xf32>
  func.return %y : tensor<2x3x16xf32>
}

// The result is larger than what would not be transposed.
// CHECK-LABEL: @scores
// CHECK: nn.transpose(%k)
func.func @scores(%q: tensor<16x3xf32>, %k: tensor<16x3xf32>) -> tensor<16x16xf32> {
  %t = nn.transpose(%k) : (tensor<16x3xf32>) -> tensor<3x16xf32>
  %y = nn.matmul(%q, %t) : (tensor<16x3xf32>, tensor<3x16xf32>) -> tensor<16x16xf32>
  func.return %y : tensor<16x16xf32>
}

// Matrices of a batch change places as well.
// CHECK-LABEL: @batches
// CHECK: nn.transpose(%p)
func.func @batches(%v: tensor<16x3x16xf32>, %p: tensor<16x16x16xf32>) -> tensor<16x3x16xf32> {
  %t = nn.transpose(%p) : (tensor<16x16x16xf32>) -> tensor<16x16x16xf32>
  %y = nn.matmul(%v, %t) : (tensor<16x3x16xf32>, tensor<16x16x16xf32>) -> tensor<16x3x16xf32>
  func.return %y : tensor<16x3x16xf32>
}

// Another reader needs the transpose.
// CHECK-LABEL: @shared
// CHECK: nn.transpose(%p)
func.func @shared(%v: tensor<3x16xf32>, %p: tensor<16x16xf32>) -> (tensor<3x16xf32>, tensor<16x16xf32>) {
  %t = nn.transpose(%p) : (tensor<16x16xf32>) -> tensor<16x16xf32>
  %y = nn.matmul(%v, %t) : (tensor<3x16xf32>, tensor<16x16xf32>) -> tensor<3x16xf32>
  func.return %y, %t : tensor<3x16xf32>, tensor<16x16xf32>
}
