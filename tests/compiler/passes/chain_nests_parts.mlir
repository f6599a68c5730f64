// RUN: ovc-opt %s --split-input-file -p 'chain-nests{target="cpu:x86-64-v4" above=1000 scratch=2048}' | filecheck %s
// RUN: ovc-opt %s --split-input-file -p 'chain-nests{target="cpu:x86-64-v4" above=1000 scratch=2048},schedule-nests{target="cpu:x86-64-v4"},apply-schedule' | filecheck %s --check-prefix TILES

// Two launches read the link: one all rows but the last, the other the last alone. They are
// two stages, and the second one runs in the last block only, which has one row.

// CHECK:       kernel.nest @chain_0_1
// CHECK:         schedule <parallel r by 8>
// CHECK:       kernel.nest @chain_0_2
// CHECK:         over (%r = 1, %c = 16)
// CHECK-NEXT:    schedule <parallel r by 8>
// CHECK-NEXT:  %[[LAST:.+]] = kernel.read %t[%r, %c] : f32
// CHECK:         kernel.write %{{.+}}, %y[63, %c] : f32
// CHECK:       kernel.chain @chain_0(%x: memref<64x16xf32>, %y: memref<64x16xf32>) {
// CHECK-NEXT:    %t = kernel.local : memref<8x16xf32>
// CHECK-NEXT:    kernel.stage @chain_0_0(%x, %t) : memref<64x16xf32>, memref<8x16xf32>
// CHECK-NEXT:    kernel.stage @chain_0_1(%t, %y) : memref<8x16xf32>, memref<64x16xf32>
// CHECK-NEXT:    kernel.stage @chain_0_2(%t, %y) {starts = array<i64: 63>} : memref<8x16xf32>, memref<64x16xf32>
// CHECK-NEXT:  }

// TILES-LABEL: kernel.func @chain_0
// TILES:         kernel.loop %i: grid 7 {
// TILES-COUNT-2:   kernel.store
// TILES:         kernel.loop %{{.+}}: grid 1 {
// TILES-COUNT-2:   kernel.store
// TILES:         kernel.loop %{{.+}}: grid 1 {
// TILES-COUNT-2:   kernel.store
// TILES-NOT:       kernel.store
kernel.nest @first(%x: memref<64x16xf32>, %t: memref<64x16xf32>)
    over (%i = 64, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i, %j] : f32
}
kernel.nest @most(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 63, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r, %c] : f32
  kernel.write %t_1, %y[%r, %c] : f32
}
kernel.nest @last(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 1, %c = 16) schedule <> {
  %t_1 = kernel.read %t[63, %c] : f32
  %n = arith.negf %t_1 : f32
  kernel.write %n, %y[63, %c] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64x16xf32>
  %t = plan.buffer : memref<64x16xf32>
  plan.launch @first(%x, %t) {flops = 4 : i64, layers = ["a"], operations = ["exp"]} : memref<64x16xf32>, memref<64x16xf32>
  %y = plan.output 0 : memref<64x16xf32>
  plan.launch @most(%t, %y) {flops = 8 : i64, layers = ["b"], operations = ["id"]} : memref<64x16xf32>, memref<64x16xf32>
  plan.launch @last(%t, %y) {flops = 8 : i64, layers = ["b"], operations = ["neg"]} : memref<64x16xf32>, memref<64x16xf32>
  func.return
}

// -----

// A part of several rows counts them from its own start: 24 rows from 40 on are three blocks.

// CHECK:       kernel.nest @chain_0_2
// CHECK:         over (%r = 24, %c = 16)
// CHECK:         kernel.read %t[%r, %c] : f32
// CHECK:         kernel.write %{{.+}}, %y[%r + 40, %c] : f32
// CHECK:         kernel.stage @chain_0_2(%t, %y) {starts = array<i64: 40>}

// TILES-LABEL: kernel.func @chain_0
// TILES:         kernel.loop %i: grid 5 {
// TILES:           kernel.store %{{.+}}, %y[%i * 8 + t0, lane]
// TILES:         kernel.loop %[[I:.+]]: grid 3 {
// TILES:           kernel.store %{{.+}}, %t[
// TILES:           kernel.store %{{.+}}, %y[%[[I]] * 8 + t0 + 40, lane]
kernel.nest @first(%x: memref<64x16xf32>, %t: memref<64x16xf32>)
    over (%i = 64, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i, %j] : f32
}
kernel.nest @upper(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 40, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r, %c] : f32
  %s = kernel.reduce add %t_1 over [%c] : f32
  %p = arith.mulf %t_1, %s : f32
  kernel.write %p, %y[%r, %c] : f32
}
kernel.nest @lower(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 24, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r + 40, %c] : f32
  %s = kernel.reduce add %t_1 over [%c] : f32
  %p = arith.mulf %t_1, %s : f32
  kernel.write %p, %y[%r + 40, %c] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64x16xf32>
  %t = plan.buffer : memref<64x16xf32>
  plan.launch @first(%x, %t) {flops = 4 : i64, layers = ["a"], operations = ["exp"]} : memref<64x16xf32>, memref<64x16xf32>
  %y = plan.output 0 : memref<64x16xf32>
  plan.launch @upper(%t, %y) {flops = 8 : i64, layers = ["b"], operations = ["mul"]} : memref<64x16xf32>, memref<64x16xf32>
  plan.launch @lower(%t, %y) {flops = 8 : i64, layers = ["b"], operations = ["mul"]} : memref<64x16xf32>, memref<64x16xf32>
  func.return
}
