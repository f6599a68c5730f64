// RUN: ovc-opt %s -p 'fold-constants,use-strassen{choose="always"}' | filecheck %s
// RUN: ovc-opt %s -p 'fold-constants,use-strassen' | filecheck %s --check-prefix AUTO
// RUN: ovc-opt %s -p 'fold-constants,use-strassen{choose="never"}' | filecheck %s --check-prefix NEVER
// RUN: ovc-opt %s -p 'fold-constants,use-strassen{choose="always" error=0.0}' | filecheck %s --check-prefix NEVER
// RUN: not ovc-opt %s -p 'use-strassen{choose="some"}' 2>&1 | filecheck %s --check-prefix WRONG

// WRONG: use-strassen: choose is some, expected one of auto, never, always

// CHECK-LABEL: @rows
// CHECK:       %[[A:.+]] = nn.strassen_left(%x) {rows = 1 : i64, columns = 2 : i64, merged = 0 : i64} : (tensor<1x65x32xf32>) -> tensor<7x1x33x16xf32>
// CHECK:       %[[P:.+]] = nn.matmul(%[[A]], %{{.+}}) : (tensor<7x1x33x16xf32>, tensor<7x1x16x32xf32>) -> tensor<7x1x33x32xf32>
// CHECK-NEXT:  %[[Y:.+]] = nn.strassen_output(%[[P]]) {rows = 1 : i64, columns = 2 : i64, merged = 0 : i64, size = 65 : i64}
// CHECK-NEXT:  func.return %[[Y]]
// NEVER-LABEL: @rows
// NEVER-NOT:   strassen
// AUTO-LABEL:  @rows
// AUTO-NOT:    strassen
func.func @rows(%x: tensor<1x65x32xf32>) -> tensor<1x65x64xf32> {
  %s = const.constant [32, 64] : tensor<2xi64>
  %w = nn.fill(%s) {value = 0.3 : f32} : (tensor<2xi64>) -> tensor<32x64xf32>
  %y = nn.matmul(%x, %w) : (tensor<1x65x32xf32>, tensor<32x64xf32>) -> tensor<1x65x64xf32>
  func.return %y : tensor<1x65x64xf32>
}

// CHECK-LABEL: @pixels
// CHECK:       %[[A:.+]] = nn.strassen_left(%x) {rows = 2 : i64, columns = 1 : i64, merged = 1 : i64} : (tensor<1x32x14x14xf32>) -> tensor<1x112x7x14xf32>
// CHECK:       %[[P:.+]] = nn.conv(%[[A]], %{{.+}}) {{{.*}}group = 7 : i64{{.*}}}
// CHECK-NEXT:  nn.strassen_output(%[[P]], %b) {rows = 2 : i64, columns = 1 : i64, merged = 1 : i64, size = 14 : i64}
// AUTO-LABEL:  @pixels
// AUTO-NOT:    strassen
// NEVER-LABEL: @pixels
// NEVER:       nn.conv
func.func @pixels(%x: tensor<1x32x14x14xf32>, %b: tensor<64xf32>) -> tensor<1x64x14x14xf32> {
  %s = const.constant [64, 32, 1, 1] : tensor<4xi64>
  %w = nn.fill(%s) {value = 0.3 : f32} : (tensor<4xi64>) -> tensor<64x32x1x1xf32>
  %y = nn.conv(%x, %w, %b) : (tensor<1x32x14x14xf32>, tensor<64x32x1x1xf32>, tensor<64xf32>) -> tensor<1x64x14x14xf32>
  func.return %y : tensor<1x64x14x14xf32>
}
