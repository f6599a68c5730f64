// RUN: ovc-opt %s -p 'fold-constants,use-winograd{choose="f4"}' | filecheck %s
// RUN: ovc-opt %s -p 'fold-constants,use-winograd{choose="f2"}' | filecheck %s --check-prefix TWO
// RUN: ovc-opt %s -p 'fold-constants,use-winograd' | filecheck %s --check-prefix AUTO
// RUN: ovc-opt %s -p 'fold-constants,use-winograd{choose="never"}' | filecheck %s --check-prefix NEVER
// RUN: ovc-opt %s -p 'fold-constants,use-winograd{choose="f4" error=0.0}' | filecheck %s --check-prefix NEVER
// RUN: not ovc-opt %s -p 'use-winograd{choose="some"}' 2>&1 | filecheck %s --check-prefix WRONG

// WRONG: use-winograd: choose is some, expected one of auto, never, f2, f4

// CHECK-LABEL: @conv
// CHECK-NEXT:  %[[U:.+]] = const.constant #const.weight<{{.+}}> : tensor<36x16x16xf32>
// CHECK-NEXT:  %[[V:.+]] = nn.winograd_input(%x) {tile = 4 : i64, pads = array<i64: 1, 0, 1, 2>} : (tensor<1x16x24x23xf32>) -> tensor<36x16x1x6x6xf32>
// CHECK-NEXT:  %[[M:.+]] = nn.winograd_product(%[[V]], %[[U]])
// CHECK-NEXT:  %[[Y:.+]] = nn.winograd_output(%[[M]], %b) {tile = 4 : i64, sizes = array<i64: 1, 24, 23>}
// CHECK-NEXT:  func.return %[[Y]]
// TWO-LABEL:   @conv
// TWO-NEXT:    const.constant #const.weight<{{.+}}> : tensor<16x16x16xf32>
// TWO-NEXT:    nn.winograd_input(%x) {tile = 2 : i64, pads = array<i64: 1, 0, 1, 2>}
// AUTO-LABEL:  @conv
// AUTO:        nn.winograd_input(%x) {tile = 4 : i64
// NEVER-LABEL: @conv
// NEVER:       nn.conv
func.func @conv(%x: tensor<1x16x24x23xf32>, %b: tensor<16xf32>) -> tensor<1x16x24x23xf32> {
  %s = const.constant [16, 16, 3, 3] : tensor<4xi64>
  %w = nn.fill(%s) {value = 0.3 : f32} : (tensor<4xi64>) -> tensor<16x16x3x3xf32>
  %y = nn.conv(%x, %w, %b) {pads = array<i64: 1, 0, 1, 2>} : (tensor<1x16x24x23xf32>, tensor<16x16x3x3xf32>, tensor<16xf32>) -> tensor<1x16x24x23xf32>
  func.return %y : tensor<1x16x24x23xf32>
}

// In depth, a third dimension, the product is a convolution with any stride.
// CHECK-LABEL: @depth
// CHECK-NEXT:  %[[U:.+]] = const.constant #const.weight<{{.+}}> : tensor<36x16x16x2xf32>
// CHECK-NEXT:  %[[V:.+]] = nn.winograd_input(%x) {tile = 4 : i64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x16x9x24x24xf32>) -> tensor<36x16x1x9x6x6xf32>
// CHECK-NEXT:  %[[M:.+]] = nn.winograd_product(%[[V]], %[[U]]) {strides = array<i64: 2>, pads = array<i64: 1, 0>, dilations = array<i64: 1>} : {{.+}} -> tensor<36x16x1x5x6x6xf32>
// CHECK-NEXT:  %[[Y:.+]] = nn.winograd_output(%[[M]]) {tile = 4 : i64, sizes = array<i64: 1, 5, 24, 24>} : {{.+}} -> tensor<1x16x5x24x24xf32>
// CHECK-NEXT:  func.return %[[Y]]
// TWO-LABEL:   @depth
// AUTO-LABEL:  @depth
// AUTO:        nn.winograd_input(%x) {tile = 4 : i64
// NEVER-LABEL: @depth
// NEVER:       nn.conv
func.func @depth(%x: tensor<1x16x9x24x24xf32>) -> tensor<1x16x5x24x24xf32> {
  %s = const.constant [16, 16, 2, 3, 3] : tensor<5xi64>
  %w = nn.fill(%s) {value = 0.3 : f32} : (tensor<5xi64>) -> tensor<16x16x2x3x3xf32>
  %y = nn.conv(%x, %w) {pads = array<i64: 1, 1, 1, 0, 1, 1>, strides = array<i64: 2, 1, 1>} : (tensor<1x16x9x24x24xf32>, tensor<16x16x2x3x3xf32>) -> tensor<1x16x5x24x24xf32>
  func.return %y : tensor<1x16x5x24x24xf32>
}

// A stride, a dilation or a group makes it another convolution; so does another kernel.
// CHECK-LABEL:   @others
// CHECK-COUNT-4: nn.conv
// TWO-LABEL:     @others
// AUTO-LABEL:    @others
// NEVER-LABEL:   @others
func.func @others(%x: tensor<1x16x24x24xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) {
  %s = const.constant [16, 16, 3, 3] : tensor<4xi64>
  %w = nn.fill(%s) {value = 0.5 : f32} : (tensor<4xi64>) -> tensor<16x16x3x3xf32>
  %sg = const.constant [16, 8, 3, 3] : tensor<4xi64>
  %wg = nn.fill(%sg) {value = 0.5 : f32} : (tensor<4xi64>) -> tensor<16x8x3x3xf32>
  %s1 = const.constant [16, 16, 3, 1] : tensor<4xi64>
  %w1 = nn.fill(%s1) {value = 0.5 : f32} : (tensor<4xi64>) -> tensor<16x16x3x1xf32>
  %a = nn.conv(%x, %w) {strides = array<i64: 2, 2>} : (tensor<1x16x24x24xf32>, tensor<16x16x3x3xf32>) -> tensor<*xf32>
  %b = nn.conv(%x, %w) {dilations = array<i64: 2, 2>} : (tensor<1x16x24x24xf32>, tensor<16x16x3x3xf32>) -> tensor<*xf32>
  %c = nn.conv(%x, %wg) {group = 2 : i64} : (tensor<1x16x24x24xf32>, tensor<16x8x3x3xf32>) -> tensor<*xf32>
  %d = nn.conv(%x, %w1) : (tensor<1x16x24x24xf32>, tensor<16x16x3x1xf32>) -> tensor<*xf32>
  func.return %a, %b, %c, %d : tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, tensor<*xf32>
}
