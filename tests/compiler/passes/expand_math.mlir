// RUN: ovc-opt %s -p expand-math | filecheck %s
// RUN: ovc-opt %s -p expand-math,expand-math | filecheck %s
// RUN: ovc-opt %s -p 'expand-math{functions=tanh}' | filecheck %s --check-prefix TANH
// RUN: ovc-opt %s -p 'expand-math{target=gpu}' | filecheck %s --check-prefix GPU
// RUN: not ovc-opt %s -p 'expand-math{functions=sqrt}' 2>&1 | filecheck %s --check-prefix UNKNOWN

// UNKNOWN: expand-math: no formula for sqrt; known: exp, log, pow

// Bounds, the power of two, the rest, a polynomial, and the product.
// CHECK-LABEL: @exp
// CHECK:       %[[X:.+]] = kernel.read
// CHECK:       %[[HIGH:.+]] = arith.select
// CHECK:       %[[BOUND:.+]] = arith.select
// CHECK-NEXT:  %[[SHIFTED:.+]] = math.fma %[[BOUND]]
// CHECK-NEXT:  %[[N:.+]] = arith.subf %[[SHIFTED]]
// CHECK-NEXT:  %[[HIGH:.+]] = math.fma %[[N]], %{{.+}}, %[[BOUND]]
// CHECK-NEXT:  %[[R:.+]] = math.fma %[[N]], %{{.+}}, %[[HIGH]]
// CHECK-NEXT:  math.fma %[[R]]
// CHECK:       %[[BITS:.+]] = arith.bitcast %[[SHIFTED]] : f32 to i32
// CHECK-NEXT:  %[[MOVED:.+]] = arith.shli %[[BITS]]
// CHECK-NEXT:  %[[SCALE:.+]] = arith.bitcast %[[MOVED]] : i32 to f32
// CHECK-NEXT:  %[[Y:.+]] = arith.mulf %{{.+}}, %[[SCALE]]
// CHECK-NEXT:  kernel.write %[[Y]]
// TANH-LABEL:  @exp
// TANH:        math.exp
// GPU-LABEL:   @exp
// GPU:         math.exp
kernel.nest @exp(%x: memref<64xf32>, %y: memref<64xf32>) over (%i = 64) schedule <> {
  %0 = kernel.read %x[%i] : f32
  %1 = math.exp %0 : f32
  kernel.write %1, %y[%i] : f32
}

// Two functions share their constants.
// CHECK-LABEL: @both
// CHECK-COUNT-1: arith.constant 2.000000e+00
// CHECK-NOT:     arith.constant 2.000000e+00
// CHECK:         kernel.write
// TANH-LABEL:    @both
// TANH-NOT:      math.tanh
// TANH:          math.exp
kernel.nest @both(%x: memref<64xf32>, %y: memref<64xf32>) over (%i = 64) schedule <> {
  %0 = kernel.read %x[%i] : f32
  %1 = math.tanh %0 : f32
  %2 = math.exp %1 : f32
  kernel.write %2, %y[%i] : f32
}

// Double precision stays with the C library.
// CHECK-LABEL: @double
// CHECK:       math.exp
kernel.nest @double(%x: memref<64xf64>, %y: memref<64xf64>) over (%i = 64) schedule <> {
  %0 = kernel.read %x[%i] : f64
  %1 = math.exp %0 : f64
  kernel.write %1, %y[%i] : f64
}

// A square is a product, for every target.
// CHECK-LABEL: @square
// CHECK:       %[[Y:.+]] = arith.mulf %[[X:.+]], %[[X]]
// CHECK-NEXT:  kernel.write %[[Y]]
// GPU-LABEL:   @square
// GPU:         arith.mulf
kernel.nest @square(%x: memref<64xf32>, %y: memref<64xf32>) over (%i = 64) schedule <> {
  %0 = kernel.read %x[%i] : f32
  %1 = arith.constant 2.0 : f32
  %2 = math.powf %0, %1 : f32
  kernel.write %2, %y[%i] : f32
}
