// RUN: ovc-opt %s | filecheck %s

// A place is affine in dimensions, and in index values that the body computes.

// CHECK:      kernel.nest @gather(%x: memref<7x8xf32>, %rows: memref<3xi64>, %y: memref<3x8xf32>)
// CHECK-NEXT:     over (%i = 3, %j = 8)
// CHECK-NEXT:     schedule <parallel i, vector j by 8> {
// CHECK-NEXT:   %row = kernel.read %rows[%i] : i64
// CHECK-NEXT:   %at = arith.index_cast %row : i64 to index
// CHECK-NEXT:   %value = kernel.read %x[%at, %j] : f32
// CHECK-NEXT:   kernel.write %value, %y[%i, %j] : f32
// CHECK-NEXT: }
kernel.nest @gather(%x: memref<7x8xf32>, %rows: memref<3xi64>, %y: memref<3x8xf32>)
    over (%i = 3, %j = 8) schedule <parallel i, vector j by 8> {
  %row = kernel.read %rows[%i] : i64
  %at = arith.index_cast %row : i64 to index
  %value = kernel.read %x[%at, %j] : f32
  kernel.write %value, %y[%i, %j] : f32
}

// Guards, fills, conditions, reductions with a start, and nothing scheduled.

// CHECK:      kernel.nest @window
// CHECK:          schedule <> {
// CHECK-NEXT:   %tap = kernel.read %x[%i * 2 + %k + -1] where [%i * 2 + %k + -1] in [9] else 0.000000e+00 : f32 : f32
// CHECK-NEXT:   %start = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:   %sum = kernel.reduce add %tap over [%k] from %start : f32
// CHECK-NEXT:   %place = kernel.index [%i mod 2] : i64
// CHECK-NEXT:   %zero = arith.constant 0 : i64
// CHECK-NEXT:   %even = arith.cmpi eq, %place, %zero : i64
// CHECK-NEXT:   kernel.write %sum, %y[%i floordiv 4, %i mod 4] where %even : f32
kernel.nest @window(%x: memref<9xf32>, %y: memref<2x4xf32>) over (%i = 5, %k = 3) schedule <> {
  %tap = kernel.read %x[%i * 2 + %k + -1] where [%i * 2 + %k + -1] in [9] else 0.0 : f32 : f32
  %start = arith.constant 1.0 : f32
  %sum = kernel.reduce add %tap over [%k] from %start : f32
  %place = kernel.index [%i mod 2] : i64
  %zero = arith.constant 0 : i64
  %even = arith.cmpi eq, %place, %zero : i64
  kernel.write %sum, %y[%i floordiv 4, %i mod 4] where %even : f32
}
