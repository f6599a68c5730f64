// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.attention: q, k and v are [5, 4], [7, 4] and [7, 6], expected the same rank, 3 or 4
func.func @attention_1(%q: tensor<5x4xf32>, %k: tensor<7x4xf32>, %v: tensor<7x6xf32>) {
  %r = nn.attention(%q, %k, %v) : (tensor<5x4xf32>, tensor<7x4xf32>, tensor<7x6xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.attention: queries of depth 4 meet keys of 7
func.func @attention_2(%q: tensor<2x5x4xf32>, %k: tensor<2x7x4xf32>, %v: tensor<2x7x6xf32>) {
  %r = nn.attention(%q, %k, %v) {transposed_keys = 1 : i64} : (tensor<2x5x4xf32>, tensor<2x7x4xf32>, tensor<2x7x6xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.attention: 7 keys stand for 8 values
func.func @attention_3(%q: tensor<2x5x4xf32>, %k: tensor<2x7x4xf32>, %v: tensor<2x8x6xf32>) {
  %r = nn.attention(%q, %k, %v) : (tensor<2x5x4xf32>, tensor<2x7x4xf32>, tensor<2x8x6xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.attention: the mask [2, 5, 7] is larger than the scores [1, 5, 7]
func.func @attention_4(%q: tensor<1x5x4xf32>, %k: tensor<1x7x4xf32>, %v: tensor<1x7x6xf32>, %m: tensor<2x5x7xf32>) {
  %r = nn.attention(%q, %k, %v, %m) : (tensor<1x5x4xf32>, tensor<1x7x4xf32>, tensor<1x7x6xf32>, tensor<2x5x7xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.attention: mask has element type i64, expected one of f32, i1
func.func @attention_5(%q: tensor<1x5x4xf32>, %k: tensor<1x7x4xf32>, %v: tensor<1x7x6xf32>, %m: tensor<5x7xi64>) {
  %r = nn.attention(%q, %k, %v, %m) : (tensor<1x5x4xf32>, tensor<1x7x4xf32>, tensor<1x7x6xf32>, tensor<5x7xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.powers: x is a scalar, expected a last dimension
func.func @powers_of_a_scalar(%x: tensor<f32>) -> tensor<f32> {
  %p, %f = nn.powers(%x) : (tensor<f32>) -> (tensor<f32>, tensor<1xf32>)
  func.return %p : tensor<f32>
}
