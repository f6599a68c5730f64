// RUN: ovc-opt %s --split-input-file -p share-kernels | filecheck %s

// Two parts of one tensor are written by kernels that are the same but for the part.

// CHECK-LABEL: kernel.nest @first(%x: memref<8x16xf32>, %t: memref<8x16xf32>)
// CHECK:         kernel.write %e, %t[%i, %j]
// CHECK-NOT:   kernel.nest
// CHECK-LABEL: func.func @main
// CHECK:         %t = plan.buffer
// CHECK-DAG:     %[[A:.+]] = plan.view %t : memref<24x16xf32> -> memref<8x16xf32>
// CHECK-DAG:     %[[B:.+]] = plan.view %t at 512 : memref<24x16xf32> -> memref<8x16xf32>
// CHECK:         plan.launch @first(%x, %[[A]])
// CHECK-NEXT:    plan.launch @first(%y, %[[B]])
kernel.nest @first(%x: memref<8x16xf32>, %t: memref<24x16xf32>)
    over (%i = 8, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i, %j] : f32
}
kernel.nest @second(%x: memref<8x16xf32>, %t: memref<24x16xf32>)
    over (%i = 8, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i + 8, %j] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<8x16xf32>
  %y = plan.input 1 : memref<8x16xf32>
  %t = plan.buffer : memref<24x16xf32>
  plan.launch @first(%x, %t) {flops = 4 : i64, layers = ["a"]} : memref<8x16xf32>, memref<24x16xf32>
  plan.launch @second(%y, %t) {flops = 4 : i64, layers = ["b"]} : memref<8x16xf32>, memref<24x16xf32>
  func.return
}

// -----

// The part of the first one is in the middle; the nest that stays is rewritten.

// CHECK-LABEL: kernel.nest @first(%x: memref<8x16xf32>, %t: memref<8x16xf32>)
// CHECK:         kernel.write %x_1, %t[%i, %j]
// CHECK-NOT:   kernel.nest
// CHECK:         plan.view %t at 1024
// CHECK:         plan.view %t at 512
kernel.nest @first(%x: memref<8x16xf32>, %t: memref<24x16xf32>)
    over (%i = 8, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  kernel.write %x_1, %t[%i + 8, %j] : f32
}
kernel.nest @second(%x: memref<8x16xf32>, %t: memref<24x16xf32>)
    over (%i = 8, %j = 16) schedule <> {
  %x_1 = kernel.read %x[%i, %j] : f32
  kernel.write %x_1, %t[%i + 16, %j] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<8x16xf32>
  %t = plan.buffer : memref<24x16xf32>
  plan.launch @first(%x, %t) {flops = 4 : i64, layers = ["a"]} : memref<8x16xf32>, memref<24x16xf32>
  plan.launch @second(%x, %t) {flops = 4 : i64, layers = ["b"]} : memref<8x16xf32>, memref<24x16xf32>
  func.return
}

// -----

// A tensor without dimensions has no parts.

// CHECK-LABEL: kernel.nest @first(%x: memref<f32>, %t: memref<f32>)
// CHECK-NOT:   plan.view
kernel.nest @first(%x: memref<f32>, %t: memref<f32>) over () schedule <> {
  %x_1 = kernel.read %x[] : f32
  kernel.write %x_1, %t[] : f32
}
kernel.nest @second(%x: memref<f32>, %t: memref<f32>) over () schedule <> {
  %x_1 = kernel.read %x[] : f32
  kernel.write %x_1, %t[] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<f32>
  %t = plan.buffer : memref<f32>
  plan.launch @first(%x, %t) {flops = 4 : i64, layers = ["a"]} : memref<f32>, memref<f32>
  plan.launch @second(%x, %t) {flops = 4 : i64, layers = ["b"]} : memref<f32>, memref<f32>
  func.return
}

// -----

// Refused: another function, another stride inside, a part that does not begin where memory
// is aligned, and an output of the network.

// CHECK-LABEL: kernel.nest @plain
// CHECK:       kernel.nest @other
// CHECK:       kernel.nest @stride
// CHECK:       kernel.nest @odd
// CHECK:       kernel.nest @port
// CHECK-NOT:   plan.view
kernel.nest @plain(%x: memref<8xf32>, %t: memref<24x3xf32>) over (%i = 8) schedule <> {
  %x_1 = kernel.read %x[%i] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i, 0] : f32
}
kernel.nest @other(%x: memref<8xf32>, %t: memref<24x3xf32>) over (%i = 8) schedule <> {
  %x_1 = kernel.read %x[%i] : f32
  %e = math.log %x_1 : f32
  kernel.write %e, %t[%i + 16, 0] : f32
}
kernel.nest @stride(%x: memref<8xf32>, %t: memref<24x3xf32>) over (%i = 8) schedule <> {
  %x_1 = kernel.read %x[%i] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i + 16, 1] : f32
}
kernel.nest @odd(%x: memref<8xf32>, %t: memref<24x3xf32>) over (%i = 8) schedule <> {
  %x_1 = kernel.read %x[%i] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i + 8, 0] : f32
}
kernel.nest @port(%x: memref<8xf32>, %t: memref<24x3xf32>) over (%i = 8) schedule <> {
  %x_1 = kernel.read %x[%i] : f32
  %e = math.exp %x_1 : f32
  kernel.write %e, %t[%i + 16, 0] : f32
}
func.func @main() {
  %x = plan.input 0 : memref<8xf32>
  %t = plan.buffer : memref<24x3xf32>
  plan.launch @plain(%x, %t) {flops = 4 : i64, layers = ["a"]} : memref<8xf32>, memref<24x3xf32>
  plan.launch @other(%x, %t) {flops = 4 : i64, layers = ["b"]} : memref<8xf32>, memref<24x3xf32>
  plan.launch @stride(%x, %t) {flops = 4 : i64, layers = ["c"]} : memref<8xf32>, memref<24x3xf32>
  plan.launch @odd(%x, %t) {flops = 4 : i64, layers = ["d"]} : memref<8xf32>, memref<24x3xf32>
  %y = plan.output 0 : memref<24x3xf32>
  plan.launch @port(%x, %y) {flops = 4 : i64, layers = ["e"]} : memref<8xf32>, memref<24x3xf32>
  func.return
}
