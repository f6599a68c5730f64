// RUN: ovc-opt %s -p trim-kernels | filecheck %s

// One tap is left: it has no dilation.
// CHECK-LABEL: @middle
// CHECK: %[[W:.+]] = nn.slice(%w,
// CHECK-NEXT: nn.conv(%x, %[[W]]) {{{.*}}strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>
// CHECK-SAME: tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
func.func @middle(%x: tensor<1x1x4xf32>) -> tensor<1x1x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0] : tensor<1x1x3xf32>
  %y = nn.conv(%x, %w) {pads = array<i64: 4, 4>, dilations = array<i64: 4>} : (tensor<1x1x4xf32>, tensor<1x1x3xf32>) -> tensor<1x1x4xf32>
  func.return %y : tensor<1x1x4xf32>
}

// Every tap is alive.
// CHECK-LABEL: @alive
// CHECK: nn.conv(%x, %w) {pads = array<i64: 3, 3>
func.func @alive(%x: tensor<1x1x4xf32>) -> tensor<1x1x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0] : tensor<1x1x3xf32>
  %y = nn.conv(%x, %w) {pads = array<i64: 3, 3>, dilations = array<i64: 3>} : (tensor<1x1x4xf32>, tensor<1x1x3xf32>) -> tensor<1x1x4xf32>
  func.return %y : tensor<1x1x4xf32>
}

// CHECK-LABEL: @transposed
// CHECK: nn.conv_transpose(%x, %{{.+}}) {{{.*}}pads = array<i64: 0, 0>
// CHECK-SAME: tensor<1x1x1xf32>) -> tensor<1x1x1xf32>
func.func @transposed(%x: tensor<1x1x1xf32>) -> tensor<1x1x1xf32> {
  %w = const.constant [1.0, 2.0, 3.0] : tensor<1x1x3xf32>
  %y = nn.conv_transpose(%x, %w) {pads = array<i64: 2, 0>} : (tensor<1x1x1xf32>, tensor<1x1x3xf32>) -> tensor<1x1x1xf32>
  func.return %y : tensor<1x1x1xf32>
}

// Padding that wins no maximum.
// CHECK-LABEL: @pool
// CHECK: nn.max_pool(%x) {{{.*}}kernel_shape = array<i64: 1>
func.func @pool(%x: tensor<1x1x1xf32>) -> tensor<1x1x1xf32> {
  %y = nn.max_pool(%x) {kernel_shape = array<i64: 3>, pads = array<i64: 1, 1>} : (tensor<1x1x1xf32>) -> tensor<1x1x1xf32>
  func.return %y : tensor<1x1x1xf32>
}

// A mean that counts the padding.
// CHECK-LABEL: @counted
// CHECK: nn.average_pool(%x) {kernel_shape = array<i64: 3>
func.func @counted(%x: tensor<1x1x1xf32>) -> tensor<1x1x1xf32> {
  %y = nn.average_pool(%x) {kernel_shape = array<i64: 3>, pads = array<i64: 1, 1>, count_include_pad = 1 : i64} : (tensor<1x1x1xf32>) -> tensor<1x1x1xf32>
  func.return %y : tensor<1x1x1xf32>
}

// CHECK-LABEL: @kept
// CHECK: nn.max_pool(%x) {kernel_shape = array<i64: 3>
func.func @kept(%x: tensor<1x1x1xf32>) -> tensor<1x1x1xf32> {
  %y = nn.max_pool(%x) {kernel_shape = array<i64: 3>, pads = array<i64: 1, 1>, keep} : (tensor<1x1x1xf32>) -> tensor<1x1x1xf32>
  func.return %y : tensor<1x1x1xf32>
}
