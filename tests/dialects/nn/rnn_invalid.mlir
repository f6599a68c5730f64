// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.lstm: input [3, 1] must have rank 3
func.func @lstm_1(%x: tensor<3x1xf32>, %w: tensor<1x8x3xf32>, %r: tensor<1x8x2xf32>) {
  %r0, %r1, %r2 = nn.lstm(%x, %w, %r) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>} : (tensor<3x1xf32>, tensor<1x8x3xf32>, tensor<1x8x2xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.lstm: direction up is not one of ['forward', 'reverse', 'bidirectional']
func.func @lstm_2(%x: tensor<3x1x3xf32>, %w: tensor<1x8x3xf32>, %r: tensor<1x8x2xf32>) {
  %r0, %r1, %r2 = nn.lstm(%x, %w, %r) {direction = "up", operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>} : (tensor<3x1x3xf32>, tensor<1x8x3xf32>, tensor<1x8x2xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.lstm: w [1, 8, 2] does not match the expected [1, 8, 3]
func.func @lstm_3(%x: tensor<3x1x3xf32>, %w: tensor<1x8x2xf32>, %r: tensor<1x8x2xf32>) {
  %r0, %r1, %r2 = nn.lstm(%x, %w, %r) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>} : (tensor<3x1x3xf32>, tensor<1x8x2xf32>, tensor<1x8x2xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.gru: hidden_size 3 is not the 2 columns of r
func.func @gru_1(%x: tensor<3x1x3xf32>, %w: tensor<1x6x3xf32>, %r: tensor<1x6x2xf32>) {
  %r0, %r1 = nn.gru(%x, %w, %r) {hidden_size = 3 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>} : (tensor<3x1x3xf32>, tensor<1x6x3xf32>, tensor<1x6x2xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.gru: activations ['Tanh'] must be 2 for each direction
func.func @gru_2(%x: tensor<3x1x3xf32>, %w: tensor<1x6x3xf32>, %r: tensor<1x6x2xf32>) {
  %r0, %r1 = nn.gru(%x, %w, %r) {activations = ["Tanh"], operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>} : (tensor<3x1x3xf32>, tensor<1x6x3xf32>, tensor<1x6x2xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.rnn: activation Sin is not supported
func.func @rnn_1(%x: tensor<3x1x3xf32>, %w: tensor<1x2x3xf32>, %r: tensor<1x2x2xf32>) {
  %r0, %r1 = nn.rnn(%x, %w, %r) {activations = ["Sin"], operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>} : (tensor<3x1x3xf32>, tensor<1x2x3xf32>, tensor<1x2x2xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  func.return
}
