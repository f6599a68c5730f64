// RUN: ovc-opt %s -p merge-linear,fold-constants,dce | filecheck %s
// RUN: ovc-opt %s -p merge-linear{pairs=true},fold-constants,dce | filecheck %s --check-prefix PAIRS

// CHECK-LABEL: @chain
// PAIRS-LABEL: @chain
// CHECK-DAG: %[[K:.+]] = const.constant [4.0, 10.0] : tensor<1x2x1xf32>
// CHECK-DAG: %[[S:.+]] = const.constant [12.0, 15.0] : tensor<1x2x1xf32>
// CHECK: %[[M:.+]] = nn.mul(%x, %[[K]])
// CHECK-NEXT: %[[Y:.+]] = nn.add(%[[M]], %[[S]])
// CHECK-NEXT: func.return %[[Y]]
func.func @chain(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %a = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %b = const.constant [3.0] : tensor<f32>
  %c = const.constant [4.0, 5.0] : tensor<1x2x1xf32>
  %1 = nn.mul(%x, %a) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %2 = nn.add(%1, %b) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %y = nn.mul(%2, %c) : (tensor<1x2x4xf32>, tensor<1x2x1xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// A second reader forbids the merge.
// CHECK-LABEL: @shared
// PAIRS-LABEL: @shared
// CHECK-COUNT-2: nn.mul
func.func @shared(%x: tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>) {
  %a = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %b = const.constant [3.0] : tensor<f32>
  %1 = nn.mul(%x, %a) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %2 = nn.mul(%1, %b) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  %3 = nn.relu(%1) : (tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  func.return %2, %3 : tensor<1x2x4xf32>, tensor<1x2x4xf32>
}

// A graph output is left alone.
// CHECK-LABEL: @output
// PAIRS-LABEL: @output
// CHECK-COUNT-2: nn.add
func.func @output(%x: tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>) {
  %a = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %b = const.constant [3.0] : tensor<f32>
  %1 = nn.add(%x, %a) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %2 = nn.add(%1, %b) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %1, %2 : tensor<1x2x4xf32>, tensor<1x2x4xf32>
}

// The merged constant would be larger: small ones are merged when nothing will fuse.
// CHECK-LABEL: @larger
// PAIRS-LABEL: @larger
// CHECK-COUNT-2: nn.mul
// PAIRS: nn.mul{{.*}}tensor<2x4xf32>) -> tensor<1x2x4xf32>
// PAIRS-NOT: nn.mul
func.func @larger(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %a = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %d = const.constant [1.0, 2.0, 1.0, 2.0] : tensor<4xf32>
  %1 = nn.mul(%x, %a) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %2 = nn.mul(%1, %d) : (tensor<1x2x4xf32>, tensor<4xf32>) -> tensor<1x2x4xf32>
  func.return %2 : tensor<1x2x4xf32>
}

// A constant that broadcasts the value to another shape is no link.
// CHECK-LABEL: @grows
// PAIRS-LABEL: @grows
// CHECK-COUNT-2: nn.mul
func.func @grows(%x: tensor<1x2x1xf32>) -> tensor<1x2x4xf32> {
  %d = const.constant [1.0, 2.0, 1.0, 2.0] : tensor<4xf32>
  %b = const.constant [3.0] : tensor<f32>
  %1 = nn.mul(%x, %b) : (tensor<1x2x1xf32>, tensor<f32>) -> tensor<1x2x1xf32>
  %2 = nn.mul(%1, %d) : (tensor<1x2x1xf32>, tensor<4xf32>) -> tensor<1x2x4xf32>
  func.return %2 : tensor<1x2x4xf32>
}

// CHECK-LABEL: @identities
// PAIRS-LABEL: @identities
// CHECK: func.return %x
func.func @identities(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %d = const.constant [1.0, 1.0] : tensor<2x1xf32>
  %z = const.constant [0.0] : tensor<f32>
  %1 = nn.mul(%d, %x) : (tensor<2x1xf32>, tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %2 = nn.add(%1, %z) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %2 : tensor<1x2x4xf32>
}

// CHECK-LABEL: @kept
// PAIRS-LABEL: @kept
// CHECK-COUNT-2: nn.mul
func.func @kept(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %a = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %b = const.constant [3.0] : tensor<f32>
  %1 = nn.mul(%x, %a) {keep} : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %2 = nn.mul(%1, %b) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %2 : tensor<1x2x4xf32>
}

// A pair that is left over.
// CHECK-LABEL: @pair
// PAIRS-LABEL: @pair
// CHECK: nn.mul
// CHECK: nn.add
// PAIRS: nn.scale_shift(%x,
func.func @pair(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %a = const.constant [1.0, 2.0] : tensor<2x1xf32>
  %b = const.constant [3.0] : tensor<f32>
  %1 = nn.mul(%x, %a) : (tensor<1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x2x4xf32>
  %2 = nn.add(%1, %b) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %2 : tensor<1x2x4xf32>
}

// Constants along the last dimension are no pair.
// CHECK-LABEL: @last
// PAIRS-LABEL: @last
// CHECK: nn.mul
// CHECK: nn.add
// PAIRS: nn.mul
// PAIRS: nn.add
func.func @last(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %d = const.constant [1.0, 2.0, 1.0, 2.0] : tensor<4xf32>
  %b = const.constant [3.0] : tensor<f32>
  %1 = nn.mul(%x, %d) : (tensor<1x2x4xf32>, tensor<4xf32>) -> tensor<1x2x4xf32>
  %2 = nn.add(%1, %b) : (tensor<1x2x4xf32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %2 : tensor<1x2x4xf32>
}
