// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.gather: axis 2 is outside rank 2
func.func @gather_1(%x: tensor<2x3xf32>, %indices: tensor<1xi64>) {
  %r = nn.gather(%x, %indices) {axis = 2 : i64} : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.gather_elements: indices [3, 3] do not fit into [2, 3]
func.func @gather_elements_1(%x: tensor<2x3xf32>, %indices: tensor<3x3xi64>) {
  %r = nn.gather_elements(%x, %indices) {axis = 1 : i64} : (tensor<2x3xf32>, tensor<3x3xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.gather_nd: the first 1 dimensions of [2, 3] and indices [3, 1] are not the same
func.func @gather_nd_1(%x: tensor<2x3xf32>, %indices: tensor<3x1xi64>) {
  %r = nn.gather_nd(%x, %indices) {batch_dims = 1 : i64} : (tensor<2x3xf32>, tensor<3x1xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.gather_nd: indices of 3 numbers are too long for [2, 3]
func.func @gather_nd_2(%x: tensor<2x3xf32>, %indices: tensor<3x3xi64>) {
  %r = nn.gather_nd(%x, %indices) : (tensor<2x3xf32>, tensor<3x3xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.scatter_elements: reduction is "or", expected one of ['none', 'add', 'mul', 'max', 'min']
func.func @scatter_elements_1(%x: tensor<2x3xf32>, %indices: tensor<2x3xi64>, %updates: tensor<2x3xf32>) {
  %r = nn.scatter_elements(%x, %indices, %updates) {reduction = "or"} : (tensor<2x3xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.scatter_elements: indices [2, 3] and updates [2, 2] differ
func.func @scatter_elements_2(%x: tensor<2x3xf32>, %indices: tensor<2x3xi64>, %updates: tensor<2x2xf32>) {
  %r = nn.scatter_elements(%x, %indices, %updates) : (tensor<2x3xf32>, tensor<2x3xi64>, tensor<2x2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.scatter_nd: indices [2, 3] are no positions in [2, 3]
func.func @scatter_nd_1(%x: tensor<2x3xf32>, %indices: tensor<2x3xi64>, %updates: tensor<2xf32>) {
  %r = nn.scatter_nd(%x, %indices, %updates) : (tensor<2x3xf32>, tensor<2x3xi64>, tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.scatter_nd: updates have shape [2, 2], expected [2, 3]
func.func @scatter_nd_2(%x: tensor<2x3xf32>, %indices: tensor<2x1xi64>, %updates: tensor<2x2xf32>) {
  %r = nn.scatter_nd(%x, %indices, %updates) : (tensor<2x3xf32>, tensor<2x1xi64>, tensor<2x2xf32>) -> tensor<*xf32>
  func.return
}
