// RUN: ovc-opt %s -p 'chain-nests{target="cpu:x86-64-v4" above=1000 scratch=2048}' | filecheck %s
// RUN: ovc-opt %s -p 'chain-nests{target="cpu:x86-64-v4" above=1000 scratch=2048},schedule-nests{target="cpu:x86-64-v4"},apply-schedule' | filecheck %s --check-prefix TILES

// Rows of a sum, which a second kernel scales: eight blocks of eight rows. Both kernels walk
// them, and what the first one writes is as large as one of them.

// CHECK-LABEL: kernel.nest @chain_0_0
// CHECK:         schedule <parallel i by 8>
// CHECK-LABEL: kernel.nest @chain_0_1
// CHECK:         schedule <parallel r by 8>
// CHECK-LABEL: kernel.chain @chain_0(%x: memref<64x16xf32>, %y: memref<64x16xf32>) {
// CHECK-NEXT:    %t = kernel.local : memref<8x16xf32>
// CHECK-NEXT:    kernel.stage @chain_0_0(%x, %t) : memref<64x16xf32>, memref<8x16xf32>
// CHECK-NEXT:    kernel.stage @chain_0_1(%t, %y) : memref<8x16xf32>, memref<64x16xf32>
// CHECK-NEXT:  }
// CHECK-NOT:     plan.buffer
// CHECK:         plan.launch @chain_0(%x, %y) {operations = ["exp", "mul"], flops = 12 : i64, layers = ["a", "b"]}

// TILES-LABEL: kernel.func @chain_0
// TILES-NEXT:    %t = kernel.local : memref<8x16xf32>
// TILES-NEXT:    kernel.loop %i: grid 8 {
// TILES-NEXT:      kernel.loop %[[R:.+]]: serial 8 {
// TILES-NEXT:        %{{.+}} = kernel.load %x[%i * 8 + %[[R]], lane]
// TILES:             kernel.store %{{.+}}, %t[%[[R]], lane]
// TILES:           kernel.load %t[t0, lane]
// TILES:           kernel.store %{{.+}}, %y[%i * 8 + t0, lane]
kernel.nest @first(%x: memref<64x16xf32>, %t: memref<64x16xf32>)
    over (%i = 64, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i, %j] : f32
}
kernel.nest @second(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 64, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r, %c] : f32
  %s = kernel.reduce add %t_1 over [%c] : f32
  %p = arith.mulf %t_1, %s : f32
  kernel.write %p, %y[%r, %c] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64x16xf32>
  %t = plan.buffer : memref<64x16xf32>
  plan.launch @first(%x, %t) {flops = 4 : i64, layers = ["a"], operations = ["exp"]} : memref<64x16xf32>, memref<64x16xf32>
  %y = plan.output 0 : memref<64x16xf32>
  plan.launch @second(%t, %y) {flops = 8 : i64, layers = ["b"], operations = ["mul"]} : memref<64x16xf32>, memref<64x16xf32>
  func.return
}
