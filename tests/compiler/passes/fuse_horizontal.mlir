// RUN: ovc-opt %s -p fuse-horizontal,fold-constants,dce | filecheck %s

// The split sinks below what both parts go through.
// CHECK-LABEL: @gemm
// CHECK-DAG:   %[[W:.+]] = const.constant [1.0, 5.0, 2.0, 6.0] : tensor<2x2xf32>
// CHECK-DAG:   %[[B:.+]] = const.constant [7.0, 8.0] : tensor<2xf32>
// CHECK:       %[[G:.+]] = nn.gemm(%x, %[[W]], %[[B]])
// CHECK-NEXT:  %[[R:.+]] = nn.relu(%[[G]])
// CHECK-NEXT:  nn.split(%[[R]],
func.func @gemm(%x: tensor<1x2xf32>) -> (tensor<1x1xf32>, tensor<1x1xf32>) {
  %v = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %w = const.constant [5.0, 6.0] : tensor<2x1xf32>
  %a = const.constant [7.0] : tensor<1xf32>
  %b = const.constant [8.0] : tensor<1xf32>
  %0 = nn.gemm(%x, %v, %a) : (tensor<1x2xf32>, tensor<2x1xf32>, tensor<1xf32>) -> tensor<1x1xf32>
  %1 = nn.gemm(%x, %w, %b) : (tensor<1x2xf32>, tensor<2x1xf32>, tensor<1xf32>) -> tensor<1x1xf32>
  %2 = nn.relu(%0) : (tensor<1x1xf32>) -> tensor<1x1xf32>
  %3 = nn.relu(%1) : (tensor<1x1xf32>) -> tensor<1x1xf32>
  func.return %2, %3 : tensor<1x1xf32>, tensor<1x1xf32>
}

// Other flags, other strides, groups, a bias on one side: never.
// CHECK-LABEL: @flags
// CHECK-COUNT-2: nn.gemm
func.func @flags(%x: tensor<1x2xf32>) -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %v = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2xf32>
  %0 = nn.gemm(%x, %v) {transB = 1 : i64} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %1 = nn.gemm(%x, %v) : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %0, %1 : tensor<1x2xf32>, tensor<1x2xf32>
}

// CHECK-LABEL: @strides
// CHECK-COUNT-2: nn.conv
func.func @strides(%x: tensor<1x1x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x2xf32>) {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %0 = nn.conv(%x, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %1 = nn.conv(%x, %w) {strides = array<i64: 2>} : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x2xf32>
  func.return %0, %1 : tensor<1x1x4xf32>, tensor<1x1x2xf32>
}

// CHECK-LABEL: @groups
// CHECK-COUNT-2: nn.conv
func.func @groups(%x: tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>) {
  %v = const.constant [1.0, 2.0] : tensor<2x1x1xf32>
  %w = const.constant [3.0, 4.0] : tensor<2x1x1xf32>
  %0 = nn.conv(%x, %v) {group = 2 : i64} : (tensor<1x2x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4xf32>
  %1 = nn.conv(%x, %w) {group = 2 : i64} : (tensor<1x2x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4xf32>
  func.return %0, %1 : tensor<1x2x4xf32>, tensor<1x2x4xf32>
}

// CHECK-LABEL: @kept
// CHECK-COUNT-2: nn.matmul
func.func @kept(%x: tensor<1x2xf32>) -> (tensor<1x1xf32>, tensor<1x1xf32>) {
  %v = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %w = const.constant [5.0, 6.0] : tensor<2x1xf32>
  %0 = nn.matmul(%x, %v) {keep} : (tensor<1x2xf32>, tensor<2x1xf32>) -> tensor<1x1xf32>
  %1 = nn.matmul(%x, %w) : (tensor<1x2xf32>, tensor<2x1xf32>) -> tensor<1x1xf32>
  func.return %0, %1 : tensor<1x1xf32>, tensor<1x1xf32>
}
