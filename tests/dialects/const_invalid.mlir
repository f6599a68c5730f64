// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: the numbers do not fit tensor<3xf32>
func.func @count() {
  %k = const.constant [1.0, 2.0] : tensor<3xf32>
  func.return
}

// -----

// CHECK: the numbers do not fit tensor<1xi8>
func.func @range() {
  %k = const.constant [300] : tensor<1xi8>
  func.return
}

// -----

// CHECK: the numbers do not fit tensor<1xindex>
func.func @element() {
  %k = const.constant [3] : tensor<1xindex>
  func.return
}

// -----

// CHECK: a constant's type is a ranked tensor
func.func @ranked() {
  %k = const.constant [3] : tensor<*xf32>
  func.return
}

// -----

// CHECK: the weights with hash 0123 are not loaded
func.func @hash() {
  %k = const.constant #const.weight<"0123"> : tensor<3xf32>
  func.return
}

// -----

// CHECK: expected a list of numbers or a weight
func.func @list() {
  %k = const.constant unit : tensor<3xf32>
  func.return
}
