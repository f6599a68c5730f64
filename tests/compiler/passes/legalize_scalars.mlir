// RUN: ovc-opt %s -p legalize-scalars | filecheck %s
// RUN: ovc-opt %s -p legalize-scalars,legalize-scalars | filecheck %s

// A comparison that is false for NaN keeps it.
// CHECK-LABEL: @relu
// CHECK:       %[[ZERO:.+]] = arith.constant 0.000000e+00
// CHECK-NEXT:  %[[X:.+]] = kernel.read
// CHECK-NEXT:  %[[LOW:.+]] = arith.cmpf olt, %[[X]], %[[ZERO]]
// CHECK-NEXT:  %[[Y:.+]] = arith.select %[[LOW]], %[[ZERO]], %[[X]]
// CHECK-NEXT:  kernel.write %[[Y]]
kernel.nest @relu(%x: memref<64xf32>, %y: memref<64xf32>) over (%i = 64) schedule <> {
  %0 = arith.constant 0.0 : f32
  %1 = kernel.read %x[%i] : f32
  %2 = arith.maximumf %1, %0 : f32
  kernel.write %2, %y[%i] : f32
}

// Without a constant there is no one instruction.
// CHECK-LABEL: @both
// CHECK:       arith.maximumf
kernel.nest @both(%x: memref<64xf32>, %y: memref<64xf32>) over (%i = 64) schedule <> {
  %0 = kernel.read %x[%i] : f32
  %1 = kernel.read %y[%i] : f32
  %2 = arith.maximumf %0, %1 : f32
  kernel.write %2, %y[%i] : f32
}

// The division sees 1 in the place of 0 and -1.
// CHECK-LABEL: @quotient
// CHECK:       %[[A:.+]] = kernel.read %x
// CHECK-NEXT:  %[[B:.+]] = kernel.read %y
// CHECK-NEXT:  %[[NONE:.+]] = arith.cmpi eq, %[[B]]
// CHECK-NEXT:  %[[NEGATED:.+]] = arith.cmpi eq, %[[B]]
// CHECK-NEXT:  %[[EITHER:.+]] = arith.ori %[[NONE]], %[[NEGATED]]
// CHECK-NEXT:  %[[SAFE:.+]] = arith.select %[[EITHER]], %{{.+}}, %[[B]]
// CHECK:       arith.divsi %[[A]], %[[SAFE]]
// CHECK:       arith.select %[[NEGATED]]
// CHECK-NEXT:  arith.select %[[NONE]]
kernel.nest @quotient(%x: memref<64xi32>, %y: memref<64xi32>) over (%i = 64) schedule <> {
  %0 = kernel.read %x[%i] : i32
  %1 = kernel.read %y[%i] : i32
  %2 = arith.divsi %0, %1 : i32
  kernel.write %2, %y[%i] : i32
}

// Other constants cannot stop a processor.
// CHECK-LABEL: @eighth
// CHECK-NOT:   arith.select
// CHECK:       arith.divsi
// CHECK-NOT:   arith.select
kernel.nest @eighth(%x: memref<64xi32>, %y: memref<64xi32>) over (%i = 64) schedule <> {
  %0 = kernel.read %x[%i] : i32
  %1 = arith.constant 8 : i32
  %2 = arith.divsi %0, %1 : i32
  kernel.write %2, %y[%i] : i32
}

// Rounding twice would be wrong where the first rounding ends on a half: it is to odd.
// CHECK-LABEL: @narrow
// CHECK:       %[[X:.+]] = kernel.read %x[%i] : f64
// CHECK-NEXT:  %[[NEAR:.+]] = arith.truncf %[[X]] : f64 to f32
// CHECK:       %[[BITS:.+]] = arith.bitcast %[[NEAR]] : f32 to i32
// CHECK:       arith.ori
// CHECK:       %[[ODD:.+]] = arith.bitcast %{{.+}} : i32 to f32
// CHECK-NEXT:  %[[Y:.+]] = arith.truncf %[[ODD]] : f32 to f16
// CHECK-NEXT:  kernel.write %[[Y]]
kernel.nest @narrow(%x: memref<64xf64>, %y: memref<64xf16>) over (%i = 64) schedule <> {
  %0 = kernel.read %x[%i] : f64
  %1 = arith.truncf %0 : f64 to f16
  kernel.write %1, %y[%i] : f16
}
