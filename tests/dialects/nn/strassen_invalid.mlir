// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.strassen_left: rows 1 and columns 1 are not two dimensions of [4, 6]
func.func @axes(%x: tensor<4x6xf32>) {
  %r = nn.strassen_left(%x) {rows = 1, columns = 1} : (tensor<4x6xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.strassen_right: 5 columns have no two halves
func.func @odd(%x: tensor<4x5xf32>) {
  %r = nn.strassen_right(%x) : (tensor<4x5xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.strassen_output: rows 2 and columns 1 are not two dimensions of [2, 3]
func.func @output(%x: tensor<7x2x3xf32>) {
  %r = nn.strassen_output(%x) {rows = 2, size = 4} : (tensor<7x2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.strassen_output: [6, 2, 3] does not hold seven products
func.func @products(%x: tensor<6x2x3xf32>) {
  %r = nn.strassen_output(%x) {size = 4} : (tensor<6x2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.strassen_output: 2 rows are not half of 5
func.func @rows(%x: tensor<7x2x3xf32>) {
  %r = nn.strassen_output(%x) {size = 5} : (tensor<7x2x3xf32>) -> tensor<*xf32>
  func.return
}
