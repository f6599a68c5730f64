// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: the schedule names unknown dimension z
kernel.nest @unknown(%x: memref<4xf32>) over (%i = 4) schedule <serial z> {
}

// -----

// CHECK: mapping stage is not one of
kernel.nest @mapping(%x: memref<4xf32>) over (%i = 4) schedule <stage i> {
}

// -----

// CHECK: 1 indices for memref<4x4xf32>
kernel.nest @rank(%x: memref<4x4xf32>) over (%i = 4) schedule <> {
  %v = kernel.read %x[%i] : f32
}

// -----

// CHECK: reduction median is not one of
kernel.nest @reduction(%x: memref<4xf32>) over (%i = 4) schedule <> {
  %v = kernel.read %x[%i] : f32
  %m = kernel.reduce median %v over [%i] : f32
}
