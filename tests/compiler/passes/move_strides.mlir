// RUN: ovc-opt %s -p move-strides | filecheck %s

// CHECK-LABEL: @plain
// CHECK: %[[A:.+]] = nn.conv(%x, %u) {{.*}}strides = array<i64: 2>{{.*}} -> tensor<1x2x3xf32>
// CHECK-NEXT: %[[R:.+]] = nn.relu(%[[A]]) : (tensor<1x2x3xf32>)
// CHECK-NEXT: nn.conv(%[[R]], %w) {{.*}}strides = array<i64: 1>
func.func @plain(%x: tensor<1x2x5xf32>) -> tensor<1x2x3xf32> {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %a = nn.conv(%x, %u) {pads = array<i64: 1, 1>} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x5xf32>
  %r = nn.relu(%a) : (tensor<1x2x5xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%r, %w) {strides = array<i64: 2>} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  func.return %y : tensor<1x2x3xf32>
}

// An operand that cannot take the stride is pooled.
// CHECK-LABEL: @pooled
// CHECK: nn.max_pool(%z) {kernel_shape = array<i64: 1>, strides = array<i64: 2>
// CHECK-NEXT: nn.add
// CHECK-NEXT: nn.conv
func.func @pooled(%x: tensor<1x2x5xf32>, %z: tensor<1x2x5xf32>) -> tensor<1x2x3xf32> {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %a = nn.conv(%x, %u) {pads = array<i64: 1, 1>} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x5xf32>
  %s = nn.add(%a, %z) : (tensor<1x2x5xf32>, tensor<1x2x5xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%s, %w) {strides = array<i64: 2>} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  func.return %y : tensor<1x2x3xf32>
}

// Constants are sliced where they vary.
// CHECK-LABEL: @sliced
// CHECK: nn.slice(%z,
// CHECK: nn.mul(%{{.+}}, %o)
func.func @sliced(%x: tensor<1x2x5xf32>) -> tensor<1x2x3xf32> {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %z = const.constant [1.0, 2.0, 3.0, 1.0, 2.0] : tensor<5xf32>
  %o = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %a = nn.conv(%x, %u) {pads = array<i64: 1, 1>} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x5xf32>
  %s = nn.add(%a, %z) : (tensor<1x2x5xf32>, tensor<5xf32>) -> tensor<1x2x5xf32>
  %p = nn.mul(%s, %o) : (tensor<1x2x5xf32>, tensor<2x1xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%p, %w) {strides = array<i64: 2>} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  func.return %y : tensor<1x2x3xf32>
}

// Automatic padding becomes the numbers it was.
// CHECK-LABEL: @automatic
// CHECK: nn.conv(%x, %u) {{{.*}}auto_pad = "NOTSET"{{.*}}pads = array<i64: 1, 1>
func.func @automatic(%x: tensor<1x2x5xf32>) -> tensor<1x2x3xf32> {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %a = nn.conv(%x, %u) {auto_pad = "SAME_UPPER"} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%a, %w) {strides = array<i64: 2>, auto_pad = "SAME_LOWER"} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  func.return %y : tensor<1x2x3xf32>
}

// Padding that is seen forbids it.
// CHECK-LABEL: @padded
// CHECK: nn.conv(%x, %u) {pads = array<i64: 1, 1>
func.func @padded(%x: tensor<1x2x5xf32>) -> tensor<1x2x3xf32> {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %a = nn.conv(%x, %u) {pads = array<i64: 1, 1>} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%a, %w) {strides = array<i64: 2>, pads = array<i64: 1, 0>} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  func.return %y : tensor<1x2x3xf32>
}

// CHECK-LABEL: @output
// CHECK: nn.conv(%x, %u) {pads
// CHECK: strides = array<i64: 2>
func.func @output(%x: tensor<1x2x5xf32>) -> (tensor<1x2x5xf32>, tensor<1x2x3xf32>) {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %a = nn.conv(%x, %u) {pads = array<i64: 1, 1>} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%a, %w) {strides = array<i64: 2>} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  func.return %a, %y : tensor<1x2x5xf32>, tensor<1x2x3xf32>
}

// Readers must agree.
// CHECK-LABEL: @readers
// CHECK: nn.conv(%x, %u) {pads
// CHECK-NOT: nn.max_pool
func.func @readers(%x: tensor<1x2x5xf32>) -> (tensor<1x2x5xf32>, tensor<1x2x3xf32>) {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %a = nn.conv(%x, %u) {pads = array<i64: 1, 1>} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%a, %w) {strides = array<i64: 2>} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  %z = nn.conv(%a, %w) : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x5xf32>
  func.return %z, %y : tensor<1x2x5xf32>, tensor<1x2x3xf32>
}

// Only convolutions take strides.
// CHECK-LABEL: @input
// CHECK: nn.relu(%x)
// CHECK-NEXT: nn.conv{{.*}}strides = array<i64: 2>
func.func @input(%x: tensor<1x2x5xf32>) -> tensor<1x2x3xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %r = nn.relu(%x) : (tensor<1x2x5xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%r, %w) {strides = array<i64: 2>} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  func.return %y : tensor<1x2x3xf32>
}

// A kernel of three keeps its stride.
// CHECK-LABEL: @kernel
// CHECK: nn.conv(%x, %w) {group = 1 : i64
// CHECK-NEXT: nn.conv{{.*}}strides = array<i64: 2>
func.func @kernel(%x: tensor<1x2x5xf32>) -> tensor<1x2x3xf32> {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %a = nn.conv(%x, %w) {group = 1 : i64} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%a, %u) {pads = array<i64: 1, 1>, strides = array<i64: 2>} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x3xf32>
  func.return %y : tensor<1x2x3xf32>
}

// CHECK-LABEL: @kept
// CHECK: nn.conv(%x, %u) {pads
func.func @kept(%x: tensor<1x2x5xf32>) -> tensor<1x2x3xf32> {
  %u = const.constant [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0] : tensor<2x2x3xf32>
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %a = nn.conv(%x, %u) {pads = array<i64: 1, 1>, keep} : (tensor<1x2x5xf32>, tensor<2x2x3xf32>) -> tensor<1x2x5xf32>
  %y = nn.conv(%a, %w) {strides = array<i64: 2>} : (tensor<1x2x5xf32>, tensor<2x2x1xf32>) -> tensor<1x2x3xf32>
  func.return %y : tensor<1x2x3xf32>
}
