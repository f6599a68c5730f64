// RUN: ovc-opt %s -p apply-schedule | filecheck %s

// A product accumulated over a serial loop is a contraction of register tiles.

// CHECK-LABEL: kernel.func @matmul
// CHECK-NEXT:   kernel.loop %m: grid 2 {
// CHECK-NEXT:     %[[ZERO:.+]] = kernel.fill 0.0 : !kernel.tile<[2, 2] f32 x 16>
// CHECK-NEXT:     %[[SUM:.+]] = kernel.loop %k: serial 5 carry %[[ACC:.+]] = %[[ZERO]] {
// CHECK-NEXT:       %[[A:.+]] = kernel.load %a[%m * 2 + t0, %k] : !kernel.tile<[2, 1] f32>
// CHECK-NEXT:       %[[B:.+]] = kernel.load %b[%k, t1 * 16 + lane] : !kernel.tile<[1, 2] f32 x 16>
// CHECK-NEXT:       %[[NEXT:.+]] = kernel.contract %[[ACC]] += %[[A]] * %[[B]]
// CHECK-NEXT:       kernel.yield %[[NEXT]]
// CHECK-NEXT:     }
// CHECK-NEXT:     kernel.store %[[SUM]], %y[%m * 2 + t0, t1 * 16 + lane]
kernel.nest @matmul(%a: memref<4x5xf32>, %b: memref<5x32xf32>, %y: memref<4x32xf32>)
    over (%m = 4, %n = 32, %k = 5)
    schedule <parallel m by 2, serial k, unroll m, unroll n by 16, vector n by 16> {
  %a_1 = kernel.read %a[%m, %k] : f32
  %b_1 = kernel.read %b[%k, %n] : f32
  %0 = arith.mulf %a_1, %b_1 : f32
  %acc = kernel.reduce add %0 over [%k] : f32
  kernel.write %acc, %y[%m, %n] : f32
}

// A ragged end is a register of which some lanes exist.

// CHECK-LABEL: kernel.func @tail
// CHECK:         kernel.loop %i: serial 2 {
// CHECK-NEXT:      %[[WHOLE:.+]] = kernel.load %x[%i * 8 + lane] : !kernel.tile<[] f32 x 8>
// CHECK-NEXT:      kernel.store %[[WHOLE]], %y[%i * 8 + lane]
// CHECK:         %[[REST:.+]] = kernel.load %x[lane + 16] valid lane < 4 else 0.000000e+00 : f32 : !kernel.tile<[] f32 x 8>
// CHECK-NEXT:    kernel.store %[[REST]], %y[lane + 16] valid lane < 4
kernel.nest @tail(%x: memref<20xf32>, %y: memref<20xf32>)
    over (%i = 20) schedule <vector i by 8> {
  %0 = kernel.read %x[%i] : f32
  kernel.write %0, %y[%i] : f32
}

// What a loop does not change is computed before it: the scale, between the loops.

// CHECK-LABEL: kernel.func @hoist
// CHECK:         kernel.loop %i: serial 4 {
// CHECK:           %[[S:.+]] = kernel.load %s[%i]
// CHECK-NEXT:      %[[ROOT:.+]] = kernel.apply
// CHECK:           kernel.loop %j: serial 6 carry
// CHECK-NEXT:        %[[X:.+]] = kernel.load %x[%i, %j]
kernel.nest @hoist(%x: memref<4x6xf32>, %s: memref<4xf32>, %y: memref<4xf32>)
    over (%i = 4, %j = 6) schedule <serial i, serial j> {
  %0 = kernel.read %x[%i, %j] : f32
  %1 = kernel.read %s[%i] : f32
  %2 = math.sqrt %1 : f32
  %3 = arith.divf %0, %2 : f32
  %4 = kernel.reduce max %3 over [%j] : f32
  kernel.write %4, %y[%i] : f32
}

// The inner reduction keeps a dimension that the outer one walks: it is computed inside.

// CHECK-LABEL: kernel.func @nested
// CHECK:         kernel.loop %i: serial 4 carry
// CHECK:           kernel.loop %j: serial 6 carry
// CHECK:             kernel.fold add
// CHECK:           kernel.fold max
kernel.nest @nested(%x: memref<4x6xf32>, %y: memref<1xf32>)
    over (%i = 4, %j = 6) schedule <serial i, serial j> {
  %0 = kernel.read %x[%i, %j] : f32
  %1 = kernel.reduce add %0 over [%j] : f32
  %2 = kernel.reduce max %1 over [%i] : f32
  kernel.write %2, %y[0] : f32
}
