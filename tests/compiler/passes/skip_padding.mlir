// RUN: ovc-opt %s -p skip-padding | filecheck %s
// RUN: ovc-opt %s -p skip-padding,lower-kernels | filecheck %s --check-prefix NESTS

// CHECK-LABEL: @main
// CHECK: nn.conv(%x, %w) {{{.*}}split = array<i64: 0>

// Outputs 0 to 15 see taps 1 and 2, 40 to 55 taps 0 and 1, those between tap 1.
// NESTS-LABEL: kernel.nest @conv_0(
// NESTS: over (%n = 8192, %oc = 1, %ow = 16, %ic = 1, %kw = 2)
// NESTS: kernel.read %x[%n, 0, %ow + %kw * 40]
// NESTS: kernel.read %x_1[0, 0, %kw + 1]
// NESTS-LABEL: kernel.nest @conv_0_1(
// NESTS: over (%n = 8192, %oc = 1, %ow = 24, %ic = 1, %kw = 1)
// NESTS: kernel.read %x[%n, 0, %ow + 16]
// NESTS-LABEL: kernel.nest @conv_0_2(
// NESTS: kernel.write %{{.+}}, %y[%n, 0, %ow + 40]
func.func @main(%x: tensor<8192x1x56xf32>) -> tensor<8192x1x56xf32> {
  %w = const.constant [1.0, 2.0, 3.0] : tensor<1x1x3xf32>
  %y = nn.conv(%x, %w) {pads = array<i64: 40, 40>, dilations = array<i64: 40>} : (tensor<8192x1x56xf32>, tensor<1x1x3xf32>) -> tensor<8192x1x56xf32>
  func.return %y : tensor<8192x1x56xf32>
}
