// RUN: ovc-opt %s -p fuse-linear,fold-constants,dce | filecheck %s
// RUN: ovc-opt %s -p fuse-linear{border=true},fold-constants,dce | filecheck %s --check-prefix BORDER

// CHECK-LABEL: @backward
// BORDER-LABEL: @backward
// CHECK-DAG: %[[W:.+]] = const.constant [5.0, 10.0, 18.0, 24.0] : tensor<2x2x1xf32>
// CHECK-DAG: %[[B:.+]] = const.constant [12.0, 19.0] : tensor<2xf32>
// CHECK: %[[Y:.+]] = nn.conv(%x, %[[W]], %[[B]])
// CHECK-NEXT: func.return %[[Y]]
func.func @backward(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %b = const.constant [1.0, 2.0] : tensor<2xf32>
  %k = const.constant [5.0, 6.0] : tensor<2x1xf32>
  %t = const.constant [7.0] : tensor<f32>
  %c = nn.conv(%x, %w, %b) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  %m = nn.mul(%c, %k) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.add(%t, %m) : (tensor<f32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @mul_forward
// BORDER-LABEL: @mul_forward
// CHECK: %[[W:.+]] = const.constant [5.0, 12.0, 15.0, 24.0] : tensor<2x2x1xf32>
// CHECK-NEXT: nn.conv(%x, %[[W]])
func.func @mul_forward(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %k = const.constant [5.0, 6.0] : tensor<2x1xf32>
  %m = nn.mul(%x, %k) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.conv(%m, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @add_forward
// BORDER-LABEL: @add_forward
// CHECK: %[[B:.+]] = const.constant [17.0, 39.0] : tensor<2xf32>
// CHECK-NEXT: nn.conv(%x, %{{.+}}, %[[B]])
func.func @add_forward(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %k = const.constant [5.0, 6.0] : tensor<2x1xf32>
  %m = nn.add(%x, %k) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.conv(%m, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// Padding forbids an Add forward.
// CHECK-LABEL: @padded
// BORDER-LABEL: @padded
// CHECK: nn.add(%x,
// CHECK-NEXT: nn.conv
// BORDER: nn.conv(%x,
// BORDER-NEXT: nn.add
func.func @padded(%x: tensor<1x2x4xf32>) -> tensor<1x2x6xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %t = const.constant [7.0] : tensor<f32>
  %a = nn.add(%x, %t) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %y = nn.conv(%a, %w) {pads = array<i64: 1, 1>} : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x6xf32>
  func.return %y : tensor<1x2x6xf32>
}

// A Mul does not mind padding.
// CHECK-LABEL: @padded_mul
// BORDER-LABEL: @padded_mul
// CHECK-NOT: nn.mul
// CHECK: nn.conv(%x,
func.func @padded_mul(%x: tensor<1x2x4xf32>) -> tensor<1x2x6xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %t = const.constant [7.0] : tensor<f32>
  %a = nn.mul(%x, %t) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %y = nn.conv(%a, %w) {pads = array<i64: 1, 1>} : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x6xf32>
  func.return %y : tensor<1x2x6xf32>
}

// CHECK-LABEL: @shared
// BORDER-LABEL: @shared
// CHECK: nn.conv
// CHECK: nn.mul
func.func @shared(%x: tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>) {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %t = const.constant [7.0] : tensor<f32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.mul(%c, %t) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %z = nn.relu(%c) : (tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  func.return %y, %z : tensor<1x2x4xf32>, tensor<1x2x4xf32>
}

// CHECK-LABEL: @output
// BORDER-LABEL: @output
// CHECK: nn.conv
// CHECK: nn.mul
func.func @output(%x: tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>) {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %t = const.constant [7.0] : tensor<f32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.mul(%c, %t) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %c, %y : tensor<1x2x4xf32>, tensor<1x2x4xf32>
}

// The last dimension is not the channel, though it has its size.
// CHECK-LABEL: @axis
// BORDER-LABEL: @axis
// CHECK: nn.conv
// CHECK: nn.mul
func.func @axis(%x: tensor<1x2x2xf32>) -> tensor<1x2x2xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %d = const.constant [5.0, 6.0] : tensor<2xf32>
  %c = nn.conv(%x, %w) : (tensor<1x2x2xf32>, tensor<2x2x1xf32>) -> tensor<1x2x2xf32>
  %y = nn.mul(%c, %d) : (tensor<1x2x2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>
  func.return %y : tensor<1x2x2xf32>
}

// A constant of several dimensions is not per channel.
// CHECK-LABEL: @spatial
// BORDER-LABEL: @spatial
// CHECK: nn.conv
// CHECK: nn.add
func.func @spatial(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %d = const.constant [5.0, 6.0, 5.0, 6.0, 5.0, 6.0, 5.0, 6.0] : tensor<2x4xf32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.add(%c, %d) : (tensor<1x2x4xf32>, tensor<2x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// A constant of higher rank changes the shape.
// CHECK-LABEL: @rank
// BORDER-LABEL: @rank
// CHECK: nn.conv
// CHECK: nn.mul
func.func @rank(%x: tensor<1x2x4xf32>) -> tensor<1x1x2x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %d = const.constant [5.0] : tensor<1x1x1x1xf32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.mul(%c, %d) : (tensor<1x2x4xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x2x4xf32>
  func.return %y : tensor<1x1x2x4xf32>
}

// CHECK-LABEL: @weights
// BORDER-LABEL: @weights
// CHECK: nn.conv
// CHECK: nn.mul
func.func @weights(%x: tensor<1x2x4xf32>, %w: tensor<2x2x1xf32>) -> tensor<1x2x4xf32> {
  %t = const.constant [7.0] : tensor<f32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.mul(%c, %t) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @kept
// BORDER-LABEL: @kept
// CHECK: nn.conv
// CHECK: nn.mul
func.func @kept(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %t = const.constant [7.0] : tensor<f32>
  %c = nn.conv(%x, %w) {keep} : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %y = nn.mul(%c, %t) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// Every branch of a concat, or none.
// CHECK-LABEL: @branches
// BORDER-LABEL: @branches
// CHECK-DAG: const.constant [1.0, 2.0, 6.0, 8.0]
// CHECK-DAG: const.constant [3.0, 6.0, 12.0, 16.0]
// CHECK: nn.concat
// CHECK-NEXT: func.return
func.func @branches(%x: tensor<1x2x4xf32>) -> tensor<1x4x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %d = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<4x1xf32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %e = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %j = nn.concat(%c, %e) {axis = 1 : i64} : (tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> tensor<1x4x4xf32>
  %y = nn.mul(%j, %d) : (tensor<1x4x4xf32>, tensor<4x1xf32>) -> tensor<1x4x4xf32>
  func.return %y : tensor<1x4x4xf32>
}

// CHECK-LABEL: @half_branches
// BORDER-LABEL: @half_branches
// CHECK: nn.concat
// CHECK-NEXT: nn.mul
func.func @half_branches(%x: tensor<1x2x4xf32>) -> tensor<1x4x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %t = const.constant [7.0] : tensor<f32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %j = nn.concat(%c, %x) {axis = 1 : i64} : (tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> tensor<1x4x4xf32>
  %y = nn.mul(%j, %t) : (tensor<1x4x4xf32>, tensor<f32>) -> tensor<1x4x4xf32>
  func.return %y : tensor<1x4x4xf32>
}

// A positive factor passes a rectifier, a negative one does not.
// CHECK-LABEL: @relu
// BORDER-LABEL: @relu
// CHECK: nn.conv
// CHECK-NEXT: nn.relu
// CHECK-NEXT: func.return
func.func @relu(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %t = const.constant [7.0] : tensor<f32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %r = nn.relu(%c) : (tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %y = nn.mul(%r, %t) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @negative
// BORDER-LABEL: @negative
// CHECK: nn.relu
// CHECK-NEXT: nn.mul
func.func @negative(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %w = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2x1xf32>
  %n = const.constant [1.0, -1.0] : tensor<2x1xf32>
  %c = nn.conv(%x, %w) : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %r = nn.relu(%c) : (tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %y = nn.mul(%r, %n) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// A matmul of matrices becomes a gemm; of higher rank it has no addend.
// CHECK-LABEL: @matmul
// BORDER-LABEL: @matmul
// CHECK: nn.gemm
// CHECK-NEXT: func.return
func.func @matmul(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %v = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2xf32>
  %d = const.constant [5.0, 6.0] : tensor<2xf32>
  %c = nn.matmul(%x, %v) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %y = nn.add(%c, %d) : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  func.return %y : tensor<4x2xf32>
}

// CHECK-LABEL: @batched
// BORDER-LABEL: @batched
// CHECK-DAG: const.constant [5.0, 12.0, 15.0, 24.0]
// CHECK: nn.matmul
// CHECK-NEXT: nn.add
// CHECK-NEXT: func.return
func.func @batched(%x: tensor<3x4x2xf32>) -> tensor<3x4x2xf32> {
  %v = const.constant [1.0, 2.0, 3.0, 4.0] : tensor<2x2xf32>
  %d = const.constant [5.0, 6.0] : tensor<2xf32>
  %c = nn.matmul(%x, %v) : (tensor<3x4x2xf32>, tensor<2x2xf32>) -> tensor<3x4x2xf32>
  %m = nn.mul(%c, %d) : (tensor<3x4x2xf32>, tensor<2xf32>) -> tensor<3x4x2xf32>
  %y = nn.add(%m, %d) : (tensor<3x4x2xf32>, tensor<2xf32>) -> tensor<3x4x2xf32>
  func.return %y : tensor<3x4x2xf32>
}
