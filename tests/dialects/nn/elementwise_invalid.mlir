// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.gelu: approximate is "sin", expected "none" or "tanh"
func.func @gelu_1(%x: tensor<2xf32>) {
  %r = nn.gelu(%x) {approximate = "sin"} : (tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.sqrt: operand has element type i64, expected one of f16, bf16, f32, f64
func.func @sqrt_1(%x: tensor<2xi64>) {
  %r = nn.sqrt(%x) : (tensor<2xi64>) -> tensor<*xi64>
  func.return
}

// -----

// CHECK: nn.add: operands have element types f32 and i64, expected the same
func.func @add_1(%lhs: tensor<2xf32>, %rhs: tensor<2xi64>) {
  %r = nn.add(%lhs, %rhs) : (tensor<2xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.add: shapes [2, 3] and [2] do not broadcast
func.func @add_2(%lhs: tensor<2x3xf32>, %rhs: tensor<2xf32>) {
  %r = nn.add(%lhs, %rhs) : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.prelu: slope [2, 1, 3] does not broadcast to x [2, 3]
func.func @prelu_1(%x: tensor<2x3xf32>, %slope: tensor<2x1x3xf32>) {
  %r = nn.prelu(%x, %slope) : (tensor<2x3xf32>, tensor<2x1x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.clip: a limit has shape [2], expected a scalar
func.func @clip_1(%x: tensor<2xf32>, %min: tensor<2xf32>) {
  %r = nn.clip(%x, %min) {operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.scale_shift: scale [2] does not match the channels of [2, 3]
func.func @scale_shift_1(%x: tensor<2x3xf32>, %scale: tensor<2xf32>, %shift: tensor<3xf32>) {
  %r = nn.scale_shift(%x, %scale, %shift) : (tensor<2x3xf32>, tensor<2xf32>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.scale_shift: scale [3] does not match the channels of [3]
func.func @scale_shift_2(%x: tensor<3xf32>, %scale: tensor<3xf32>, %shift: tensor<3xf32>) {
  %r = nn.scale_shift(%x, %scale, %shift) : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.bit_shift: direction is "UP", expected "LEFT" or "RIGHT"
func.func @bit_shift_1(%lhs: tensor<2xui32>, %rhs: tensor<2xui32>) {
  %r = nn.bit_shift(%lhs, %rhs) {direction = "UP"} : (tensor<2xui32>, tensor<2xui32>) -> tensor<*xui32>
  func.return
}

// -----

// CHECK: nn.not: operand has element type f32, expected one of i1
func.func @not_1(%x: tensor<2xf32>) {
  %r = nn.not(%x) : (tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.where: condition has element type f32, expected one of i1
func.func @where_1(%condition: tensor<2xf32>, %x: tensor<2xf32>, %y: tensor<2xf32>) {
  %r = nn.where(%condition, %x, %y) : (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<*xf32>
  func.return
}
