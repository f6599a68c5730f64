// RUN: ovc-opt %s --split-input-file -p 'drop-copies{target="cpu:x86-64-v4"}' | filecheck %s

// The tokens of an image in blocks of 16 channels: the product reads them there, and the rows
// of the image are neighbours, so that nothing is divided but the channels.

// CHECK-LABEL: kernel.nest @product_from(%t: memref<1x4x8x8x16xf32>
// CHECK:         kernel.read %t[0, %k floordiv 16, %m floordiv 8, %m mod 8, %k mod 16]
// CHECK-NOT:   kernel.nest @tokens
// CHECK:         %x = plan.input 0
// CHECK-NEXT:    %w = plan.input 1
// CHECK-NEXT:    %y = plan.output 0
// CHECK-NEXT:    plan.launch @product_from(%x, %w, %y) {flops = 262144 : i64, layers = ["a", "b"], operations = ["transpose", "matmul"]}
// CHECK-NEXT:    func.return
kernel.nest @tokens(%x: memref<1x4x8x8x16xf32>, %t: memref<1x64x64xf32>)
    over (%c = 64, %h = 8, %w = 8) schedule <> {
  %x_1 = kernel.read %x[0, %c floordiv 16, %h, %w, %c mod 16] : f32
  kernel.write %x_1, %t[0, %h * 8 + %w, %c] : f32
}
kernel.nest @product(%t: memref<64x64xf32>, %w: memref<64x32xf32>, %y: memref<64x32xf32>)
    over (%m = 64, %n = 32, %k = 64) schedule <> {
  %t_1 = kernel.read %t[%m, %k] : f32
  %w_1 = kernel.read %w[%k, %n] : f32
  %p = arith.mulf %t_1, %w_1 : f32
  %s = kernel.reduce add %p over [%k] : f32
  kernel.write %s, %y[%m, %n] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<1x4x8x8x16xf32>
  %t = plan.buffer : memref<1x64x64xf32>
  plan.launch @tokens(%x, %t) {flops = 0 : i64, layers = ["a"], operations = ["transpose"]} : memref<1x4x8x8x16xf32>, memref<1x64x64xf32>
  %v = plan.view %t : memref<1x64x64xf32> -> memref<64x64xf32>
  %w = plan.input 1 : memref<64x32xf32>
  %y = plan.output 0 : memref<64x32xf32>
  plan.launch @product(%v, %w, %y) {flops = 262144 : i64, layers = ["b"], operations = ["matmul"]} : memref<64x64xf32>, memref<64x32xf32>, memref<64x32xf32>
  func.return
}

// -----

// A product is written as an image with a halo, which is filled first. Its rows become two
// dimensions: a register tile lies in one row of the image.

// CHECK-LABEL: kernel.nest @product_to
// CHECK:         over (%m_o = 8, %m_i = 8, %n = 32, %k = 64)
// CHECK:         kernel.write %s, %t[%n floordiv 16, %m_o + 1, %m_i + 1, %n mod 16]
// CHECK-LABEL: func.func @main
// CHECK:         %y = plan.output 0
// CHECK-NEXT:    plan.launch @fill(%y)
// CHECK-NEXT:    plan.launch @product_to(%x, %w, %y) {flops = 262144 : i64, layers = ["a", "b"], operations = ["matmul", "identity"]}
// CHECK-NEXT:    func.return
kernel.nest @product(%x: memref<64x64xf32>, %w: memref<64x32xf32>, %t: memref<64x32xf32>)
    over (%m = 64, %n = 32, %k = 64) schedule <> {
  %x_1 = kernel.read %x[%m, %k] : f32
  %w_1 = kernel.read %w[%k, %n] : f32
  %p = arith.mulf %x_1, %w_1 : f32
  %s = kernel.reduce add %p over [%k] : f32
  kernel.write %s, %t[%m, %n] : f32
}
kernel.nest @fill(%y: memref<2x10x10x16xf32>)
    over (%b = 2, %h = 2, %w = 10, %c = 16) schedule <> {
  %zero = arith.constant 0.0 : f32
  kernel.write %zero, %y[%b, %h * 9, %w, %c] : f32
}
kernel.nest @image(%t: memref<64x32xf32>, %y: memref<2x10x10x16xf32>)
    over (%c = 32, %h = 8, %w = 8) schedule <> {
  %t_1 = kernel.read %t[%h * 8 + %w, %c] : f32
  kernel.write %t_1, %y[%c floordiv 16, %h + 1, %w + 1, %c mod 16] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64x64xf32>
  %w = plan.input 1 : memref<64x32xf32>
  %t = plan.buffer : memref<64x32xf32>
  plan.launch @product(%x, %w, %t) {flops = 262144 : i64, layers = ["a"], operations = ["matmul"]} : memref<64x64xf32>, memref<64x32xf32>, memref<64x32xf32>
  %y = plan.output 0 : memref<2x10x10x16xf32>
  plan.launch @fill(%y) {flops = 0 : i64, layers = ["b"], operations = ["halo"]} : memref<2x10x10x16xf32>
  plan.launch @image(%t, %y) {flops = 0 : i64, layers = ["b"], operations = ["identity"]} : memref<64x32xf32>, memref<2x10x10x16xf32>
  func.return
}

// -----

// What is copied is written again before the copy is read.

// CHECK-LABEL: func.func @main
// CHECK:         plan.launch @copy
// CHECK-NEXT:    plan.launch @exp(%a, %x)
// CHECK:         plan.launch @exp(%t, %y)
kernel.nest @exp(%a: memref<64xf32>, %b: memref<64xf32>)
    over (%i = 64) schedule <> {
  %a_1 = kernel.read %a[%i] : f32
  %e = math.exp %a_1 : f32
  kernel.write %e, %b[%i] : f32
}
kernel.nest @copy(%x: memref<64xf32>, %t: memref<64xf32>)
    over (%i = 64) schedule <> {
  %x_1 = kernel.read %x[%i] : f32
  kernel.write %x_1, %t[%i] : f32
}
func.func @main() {
  %a = plan.input 0 : memref<64xf32>
  %x = plan.buffer : memref<64xf32>
  plan.launch @exp(%a, %x) {flops = 64 : i64, layers = ["a"]} : memref<64xf32>, memref<64xf32>
  %t = plan.buffer : memref<64xf32>
  plan.launch @copy(%x, %t) {flops = 0 : i64, layers = ["b"]} : memref<64xf32>, memref<64xf32>
  plan.launch @exp(%a, %x) {flops = 64 : i64, layers = ["c"]} : memref<64xf32>, memref<64xf32>
  %y = plan.output 0 : memref<64xf32>
  plan.launch @exp(%t, %y) {flops = 64 : i64, layers = ["d"]} : memref<64xf32>, memref<64xf32>
  %z = plan.output 1 : memref<64xf32>
  plan.launch @exp(%x, %z) {flops = 64 : i64, layers = ["e"]} : memref<64xf32>, memref<64xf32>
  func.return
}

// -----

// The fill is read before the copy: it has to find what was there.

// CHECK-LABEL: func.func @main
// CHECK:         plan.launch @exp(%a, %t)
// CHECK-NEXT:    plan.launch @exp(%y, %z)
// CHECK-NEXT:    plan.launch @copy(%t, %y)
kernel.nest @exp(%a: memref<64xf32>, %b: memref<64xf32>)
    over (%i = 64) schedule <> {
  %a_1 = kernel.read %a[%i] : f32
  %e = math.exp %a_1 : f32
  kernel.write %e, %b[%i] : f32
}
kernel.nest @copy(%x: memref<64xf32>, %t: memref<64xf32>)
    over (%i = 64) schedule <> {
  %x_1 = kernel.read %x[%i] : f32
  kernel.write %x_1, %t[%i] : f32
}
func.func @main() {
  %a = plan.input 0 : memref<64xf32>
  %y = plan.output 0 : memref<64xf32>
  plan.launch @exp(%a, %y) {flops = 64 : i64, layers = ["a"]} : memref<64xf32>, memref<64xf32>
  %z = plan.output 1 : memref<64xf32>
  %t = plan.buffer : memref<64xf32>
  plan.launch @exp(%a, %t) {flops = 64 : i64, layers = ["b"]} : memref<64xf32>, memref<64xf32>
  plan.launch @exp(%y, %z) {flops = 64 : i64, layers = ["c"]} : memref<64xf32>, memref<64xf32>
  plan.launch @copy(%t, %y) {flops = 0 : i64, layers = ["d"]} : memref<64xf32>, memref<64xf32>
  func.return
}

// -----

// The copy is written to before it is read: what is copied has to stay as it is.

// CHECK-LABEL: func.func @main
// CHECK:         plan.launch @copy(%x, %t)
// CHECK-NEXT:    plan.launch @zeros(%t)
// CHECK:         plan.launch @exp(%t, %y)
kernel.nest @copy(%x: memref<64xf32>, %t: memref<64xf32>)
    over (%i = 64) schedule <> {
  %x_1 = kernel.read %x[%i] : f32
  kernel.write %x_1, %t[%i] : f32
}
kernel.nest @zeros(%t: memref<64xf32>)
    over (%i = 8) schedule <> {
  %zero = arith.constant 0.0 : f32
  kernel.write %zero, %t[%i] : f32
}
kernel.nest @exp(%a: memref<64xf32>, %b: memref<64xf32>)
    over (%i = 64) schedule <> {
  %a_1 = kernel.read %a[%i] : f32
  %e = math.exp %a_1 : f32
  kernel.write %e, %b[%i] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<64xf32>
  %t = plan.buffer : memref<64xf32>
  plan.launch @copy(%x, %t) {flops = 0 : i64, layers = ["a"]} : memref<64xf32>, memref<64xf32>
  plan.launch @zeros(%t) {flops = 0 : i64, layers = ["b"]} : memref<64xf32>
  %y = plan.output 0 : memref<64xf32>
  plan.launch @exp(%t, %y) {flops = 64 : i64, layers = ["c"]} : memref<64xf32>, memref<64xf32>
  func.return
}
