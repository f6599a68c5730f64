// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Declared result types are the inferred ones, or unknown.
// CHECK: nn.relu: result has type tensor<3xf32>, expected tensor<2xf32>
func.func @shape(%x: tensor<2xf32>) {
  %r = nn.relu(%x) : (tensor<2xf32>) -> tensor<3xf32>
  func.return
}

// -----

// CHECK: nn.relu: result has type tensor<2xf64>, expected tensor<2xf32>
func.func @element(%x: tensor<2xf32>) {
  %r = nn.relu(%x) : (tensor<2xf32>) -> tensor<2xf64>
  func.return
}

// -----

// CHECK: layer "act" (nn.relu): result has type
func.func @named(%x: tensor<2xf32>) {
  %r = nn.relu(%x) : (tensor<2xf32>) -> tensor<i32> loc("act")
  func.return
}

// -----

// CHECK-NOT: error
// CHECK: @unknown
func.func @unknown(%x: tensor<2xf32>) {
  %r = nn.relu(%x) : (tensor<2xf32>) -> tensor<*xf32>
  func.return
}
