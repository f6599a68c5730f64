// RUN: ovc-opt %s -p defer-division | filecheck %s

// CHECK-LABEL: @attention
// CHECK-NEXT: %[[P:.+]], %[[F:.+]] = nn.powers(%x)
// CHECK-NEXT: %[[M:.+]] = nn.matmul(%[[P]], %v)
// CHECK-NEXT: %[[Y:.+]] = nn.mul(%[[M]], %[[F]])
// CHECK-NEXT: func.return %[[Y]]
func.func @attention(%x: tensor<2x3x8xf32>, %v: tensor<2x8x4xf32>) -> tensor<2x3x4xf32> {
  %p = nn.softmax(%x) {axis = 2} : (tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %y = nn.matmul(%p, %v) : (tensor<2x3x8xf32>, tensor<2x8x4xf32>) -> tensor<2x3x4xf32>
  func.return %y : tensor<2x3x4xf32>
}

// More columns than keys: there are fewer shares to divide.
// CHECK-LABEL: @wide
// CHECK: nn.softmax
func.func @wide(%x: tensor<3x4xf32>, %v: tensor<4x5xf32>) -> tensor<3x5xf32> {
  %p = nn.softmax(%x) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %y = nn.matmul(%p, %v) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
  func.return %y : tensor<3x5xf32>
}

// The product sums something else.
// CHECK-LABEL: @across
// CHECK: nn.softmax
func.func @across(%x: tensor<3x8xf32>, %v: tensor<8x4xf32>) -> tensor<3x4xf32> {
  %p = nn.softmax(%x) {axis = 0} : (tensor<3x8xf32>) -> tensor<3x8xf32>
  %y = nn.matmul(%p, %v) : (tensor<3x8xf32>, tensor<8x4xf32>) -> tensor<3x4xf32>
  func.return %y : tensor<3x4xf32>
}

// Another reader wants the shares.
// CHECK-LABEL: @shared
// CHECK: nn.softmax
func.func @shared(%x: tensor<3x8xf32>, %v: tensor<8x4xf32>) -> (tensor<3x4xf32>, tensor<3x8xf32>) {
  %p = nn.softmax(%x) : (tensor<3x8xf32>) -> tensor<3x8xf32>
  %y = nn.matmul(%p, %v) : (tensor<3x8xf32>, tensor<8x4xf32>) -> tensor<3x4xf32>
  func.return %y, %p : tensor<3x4xf32>, tensor<3x8xf32>
}

// Half precision has too little range.
// CHECK-LABEL: @half
// CHECK: nn.softmax
func.func @half(%x: tensor<3x8xf16>, %v: tensor<8x4xf16>) -> tensor<3x4xf16> {
  %p = nn.softmax(%x) : (tensor<3x8xf16>) -> tensor<3x8xf16>
  %y = nn.matmul(%p, %v) : (tensor<3x8xf16>, tensor<8x4xf16>) -> tensor<3x4xf16>
  func.return %y : tensor<3x4xf16>
}
