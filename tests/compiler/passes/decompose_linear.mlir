// RUN: ovc-opt %s -p decompose-linear,fold-constants,dce | filecheck %s

// Two pairs, constants in the shape in which they broadcast.
// CHECK-LABEL: @norm
// CHECK-NOT: nn.batch_norm
// CHECK: %[[A:.+]] = nn.mul(%x,
// CHECK-NEXT: %[[B:.+]] = nn.add(%[[A]],
// CHECK-NEXT: %[[C:.+]] = nn.mul(%[[B]],
// CHECK-NEXT: %[[D:.+]] = nn.add(%[[C]],
// CHECK-NEXT: func.return %[[D]]
func.func @norm(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %s = const.constant [1.0, 2.0] : tensor<2xf32>
  %b = const.constant [1.0, 2.0] : tensor<2xf32>
  %m = const.constant [1.0, 2.0] : tensor<2xf32>
  %v = const.constant [1.0, 2.0] : tensor<2xf32>
  %y = nn.batch_norm(%x, %s, %b, %m, %v) {epsilon = 0.5 : f64} : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// Statistics that are computed stay.
// CHECK-LABEL: @computed
// CHECK: nn.batch_norm
func.func @computed(%x: tensor<1x2x4xf32>, %m: tensor<2xf32>) -> tensor<1x2x4xf32> {
  %s = const.constant [1.0, 2.0] : tensor<2xf32>
  %b = const.constant [1.0, 2.0] : tensor<2xf32>
  %v = const.constant [1.0, 2.0] : tensor<2xf32>
  %y = nn.batch_norm(%x, %s, %b, %m, %v) : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @scale_shift
// CHECK: nn.mul(%x,
// CHECK-NEXT: nn.add
func.func @scale_shift(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %s = const.constant [1.0, 2.0] : tensor<2xf32>
  %b = const.constant [1.0, 2.0] : tensor<2xf32>
  %y = nn.scale_shift(%x, %s, %b) : (tensor<1x2x4xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @sub
// CHECK: %[[N:.+]] = const.constant [-1.5]
// CHECK-NEXT: nn.add(%x, %[[N]])
func.func @sub(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %c = const.constant [1.5] : tensor<f32>
  %y = nn.sub(%x, %c) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @div
// CHECK: %[[N:.+]] = const.constant [0.25]
// CHECK-NEXT: nn.mul(%x, %[[N]])
func.func @div(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %c = const.constant [4.0] : tensor<f32>
  %y = nn.div(%x, %c) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// Zero has no inverse.
// CHECK-LABEL: @zero
// CHECK: nn.div
func.func @zero(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %c = const.constant [0.0] : tensor<f32>
  %y = nn.div(%x, %c) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// A constant on the left is something else.
// CHECK-LABEL: @left
// CHECK: nn.sub
// CHECK: nn.div
func.func @left(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %c = const.constant [4.0] : tensor<f32>
  %a = nn.sub(%c, %x) : (tensor<f32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %y = nn.div(%c, %a) : (tensor<f32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @kept
// CHECK: nn.div
func.func @kept(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %c = const.constant [4.0] : tensor<f32>
  %y = nn.div(%x, %c) {keep} : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}
