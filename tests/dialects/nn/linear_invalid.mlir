// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.matmul: cannot multiply [2, 3] by []: a scalar
func.func @matmul_1(%a: tensor<2x3xf32>, %b: tensor<f32>) {
  %r = nn.matmul(%a, %b) : (tensor<2x3xf32>, tensor<f32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.matmul: cannot multiply [2, 3] by [2, 3]: 3 columns meet 2 rows
func.func @matmul_2(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) {
  %r = nn.matmul(%a, %b) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.matmul: shapes [2] and [4] do not broadcast
func.func @matmul_3(%a: tensor<2x2x3xf32>, %b: tensor<4x3x2xf32>) {
  %r = nn.matmul(%a, %b) : (tensor<2x2x3xf32>, tensor<4x3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.gemm: [2, 3] and [1, 3, 2] must both be matrices
func.func @gemm_1(%a: tensor<2x3xf32>, %b: tensor<1x3x2xf32>) {
  %r = nn.gemm(%a, %b) : (tensor<2x3xf32>, tensor<1x3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.gemm: cannot multiply [2, 3] by [3, 2] (transA 0, transB 1): 3 columns meet 2 rows
func.func @gemm_2(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>) {
  %r = nn.gemm(%a, %b) {transB = 1 : i64} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.gemm: shapes [3] and [2, 2] do not broadcast
func.func @gemm_3(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>, %c: tensor<3xf32>) {
  %r = nn.gemm(%a, %b, %c) : (tensor<2x3xf32>, tensor<3x2xf32>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.einsum: equation "ij->i" does not describe 2 operand(s)
func.func @einsum_1(%xs0: tensor<2x3xf32>, %xs1: tensor<3x2xf32>) {
  %r = nn.einsum(%xs0, %xs1) {equation = "ij->i"} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.einsum: "ij,jk->il" does not say what l is
func.func @einsum_2(%xs0: tensor<2x3xf32>, %xs1: tensor<3x2xf32>) {
  %r = nn.einsum(%xs0, %xs1) {equation = "ij,jk->il"} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.einsum: "ijk" of "ijk,jk->i" does not describe an operand of rank 2
func.func @einsum_3(%xs0: tensor<2x3xf32>, %xs1: tensor<3x2xf32>) {
  %r = nn.einsum(%xs0, %xs1) {equation = "ijk,jk->i"} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.einsum: i of "ij,ik->ik" has the sizes 2 and 3
func.func @einsum_4(%xs0: tensor<2x3xf32>, %xs1: tensor<3x2xf32>) {
  %r = nn.einsum(%xs0, %xs1) {equation = "ij,ik->ik"} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.gemm: the addend [3, 2, 2] does not broadcast to [2, 2]
func.func @gemm_4(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>, %c: tensor<3x2x2xf32>) {
  %r = nn.gemm(%a, %b, %c) : (tensor<2x3xf32>, tensor<3x2xf32>, tensor<3x2x2xf32>) -> tensor<*xf32>
  func.return
}
