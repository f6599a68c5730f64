// RUN: ovc-opt %s --split-input-file -p 'chain-nests{target="cpu:x86-64-v4" above=0 scratch=2048}' | filecheck %s

// A diagonal: row i is read at column i, which a block of rows would count from its own start.

// CHECK-LABEL: kernel.nest @diagonal
// CHECK-NOT:   kernel.chain
kernel.nest @first(%x: memref<64x64xf32>, %t: memref<64x64xf32>)
    over (%i = 64, %j = 64) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  kernel.write %x_1, %t[%i, %j] : f32
}
kernel.nest @diagonal(%t: memref<64x64xf32>, %y: memref<64xf32>)
    over (%r = 64) schedule <> {
  %t_1 = kernel.read %t[%r, %r] : f32
  kernel.write %t_1, %y[%r] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64x64xf32>
  %t = plan.buffer : memref<64x64xf32>
  plan.launch @first(%x, %t) {flops = 0 : i64, layers = ["a"]} : memref<64x64xf32>, memref<64x64xf32>
  %y = plan.output 0 : memref<64xf32>
  plan.launch @diagonal(%t, %y) {flops = 0 : i64, layers = ["b"]} : memref<64x64xf32>, memref<64xf32>
  func.return
}

// -----

// The first launch writes %u as well, which is read before the last launch runs.

// CHECK-LABEL: kernel.nest @both
// CHECK-NOT:   kernel.chain
kernel.nest @both(%x: memref<64x16xf32>, %t: memref<64x16xf32>, %u: memref<64x16xf32>)
    over (%i = 64, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  kernel.write %x_1, %t[%i, %j] : f32
  kernel.write %x_1, %u[%i, %j] : f32
}
kernel.nest @copy(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 64, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r, %c] : f32
  kernel.write %t_1, %y[%r, %c] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64x16xf32>
  %t = plan.buffer : memref<64x16xf32>
  %u = plan.buffer : memref<64x16xf32>
  plan.launch @both(%x, %t, %u) {flops = 0 : i64, layers = ["a"]} : memref<64x16xf32>, memref<64x16xf32>, memref<64x16xf32>
  %v = plan.output 0 : memref<64x16xf32>
  plan.launch @copy(%u, %v) {flops = 0 : i64, layers = ["b"]} : memref<64x16xf32>, memref<64x16xf32>
  %y = plan.output 1 : memref<64x16xf32>
  plan.launch @copy(%t, %y) {flops = 0 : i64, layers = ["c"]} : memref<64x16xf32>, memref<64x16xf32>
  func.return
}

// -----

// The last launch writes a row that the one before it writes as well: in blocks, it might be
// the first to do so.

// CHECK-LABEL: kernel.nest @all
// CHECK-NOT:   kernel.chain
kernel.nest @first(%x: memref<64x16xf32>, %t: memref<64x16xf32>)
    over (%i = 64, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  kernel.write %x_1, %t[%i, %j] : f32
}
kernel.nest @all(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 64, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r, %c] : f32
  kernel.write %t_1, %y[%r, %c] : f32
}
kernel.nest @again(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 64, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r, %c] : f32
  kernel.write %t_1, %y[63 - %r, %c] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64x16xf32>
  %t = plan.buffer : memref<64x16xf32>
  plan.launch @first(%x, %t) {flops = 0 : i64, layers = ["a"]} : memref<64x16xf32>, memref<64x16xf32>
  %y = plan.output 0 : memref<64x16xf32>
  plan.launch @all(%t, %y) {flops = 0 : i64, layers = ["b"]} : memref<64x16xf32>, memref<64x16xf32>
  plan.launch @again(%t, %y) {flops = 0 : i64, layers = ["c"]} : memref<64x16xf32>, memref<64x16xf32>
  func.return
}

// -----

// Another launch runs between the two that read the link, and would have to run after both.

// CHECK-LABEL: kernel.nest @upper
// CHECK-NOT:   kernel.chain
kernel.nest @first(%x: memref<64x16xf32>, %t: memref<64x16xf32>)
    over (%i = 64, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  kernel.write %x_1, %t[%i, %j] : f32
}
kernel.nest @upper(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 32, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r, %c] : f32
  kernel.write %t_1, %y[%r, %c] : f32
}
kernel.nest @lower(%t: memref<64x16xf32>, %y: memref<64x16xf32>)
    over (%r = 32, %c = 16) schedule <> {
  %t_1 = kernel.read %t[%r + 32, %c] : f32
  kernel.write %t_1, %y[%r + 32, %c] : f32
}
kernel.nest @other(%y: memref<64x16xf32>, %z: memref<16xf32>)
    over (%c = 16) schedule <> {
  %y_1 = kernel.read %y[0, %c] : f32
  kernel.write %y_1, %z[%c] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64x16xf32>
  %t = plan.buffer : memref<64x16xf32>
  plan.launch @first(%x, %t) {flops = 0 : i64, layers = ["a"]} : memref<64x16xf32>, memref<64x16xf32>
  %y = plan.output 0 : memref<64x16xf32>
  plan.launch @upper(%t, %y) {flops = 0 : i64, layers = ["b"]} : memref<64x16xf32>, memref<64x16xf32>
  %z = plan.output 1 : memref<16xf32>
  plan.launch @other(%y, %z) {flops = 0 : i64, layers = ["c"]} : memref<64x16xf32>, memref<16xf32>
  plan.launch @lower(%t, %y) {flops = 0 : i64, layers = ["d"]} : memref<64x16xf32>, memref<64x16xf32>
  func.return
}
