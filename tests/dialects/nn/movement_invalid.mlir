// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.transpose: perm [0, 0] does not permute 2 dimensions
func.func @transpose_1(%x: tensor<2x3xf32>) {
  %r = nn.transpose(%x) {perm = array<i64: 0, 0>} : (tensor<2x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.concat: nn.concat has no operand
func.func @concat_1() {
  %r = nn.concat() {axis = 0 : i64} : () -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.concat: shapes [2, 3] and [3, 3] do not join along axis 1
func.func @concat_2(%xs0: tensor<2x3xf32>, %xs1: tensor<3x3xf32>) {
  %r = nn.concat(%xs0, %xs1) {axis = 1 : i64} : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.split: cannot split 4 into parts of [1, 2]
func.func @split_1(%x: tensor<4xf32>) {
  %sizes = const.constant [1, 2] : tensor<2xi64>
  %r0, %r1 = nn.split(%x, %sizes) : (tensor<4xf32>, tensor<2xi64>) -> (tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.split: 3 parts for 2 results
func.func @split_2(%x: tensor<4xf32>) {
  %sizes = const.constant [1, 2, 1] : tensor<3xi64>
  %r0, %r1 = nn.split(%x, %sizes) : (tensor<4xf32>, tensor<3xi64>) -> (tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.tile: 2 repeats for 1 dimensions
func.func @tile_1(%x: tensor<4xf32>) {
  %repeats = const.constant [1, 2] : tensor<2xi64>
  %r = nn.tile(%x, %repeats) : (tensor<4xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.tile: repeats [-1] are not all positive
func.func @tile_2(%x: tensor<4xf32>) {
  %repeats = const.constant [-1] : tensor<1xi64>
  %r = nn.tile(%x, %repeats) : (tensor<4xf32>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.expand: shapes [4] and [3] do not broadcast
func.func @expand_1(%x: tensor<4xf32>) {
  %shape = const.constant [3] : tensor<1xi64>
  %r = nn.expand(%x, %shape) : (tensor<4xf32>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.depth_to_space: x has shape [4, 4], expected [N, C, H, W]
func.func @depth_to_space_1(%x: tensor<4x4xf32>) {
  %r = nn.depth_to_space(%x) {blocksize = 2 : i64} : (tensor<4x4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.depth_to_space: blocksize 0 is not positive
func.func @depth_to_space_2(%x: tensor<1x4x4x4xf32>) {
  %r = nn.depth_to_space(%x) {blocksize = 0 : i64} : (tensor<1x4x4x4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.depth_to_space: mode is "ROW", expected "DCR" or "CRD"
func.func @depth_to_space_3(%x: tensor<1x4x4x4xf32>) {
  %r = nn.depth_to_space(%x) {blocksize = 2 : i64, mode = "ROW"} : (tensor<1x4x4x4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.depth_to_space: 3 channels do not divide by 2 * 2
func.func @depth_to_space_4(%x: tensor<1x3x4x4xf32>) {
  %r = nn.depth_to_space(%x) {blocksize = 2 : i64} : (tensor<1x3x4x4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.space_to_depth: an image of 4 x 3 does not divide by 2
func.func @space_to_depth_1(%x: tensor<1x3x4x3xf32>) {
  %r = nn.space_to_depth(%x) {blocksize = 2 : i64} : (tensor<1x3x4x3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.channel_shuffle: x has shape [4], expected [N, C, ...]
func.func @channel_shuffle_1(%x: tensor<4xf32>) {
  %r = nn.channel_shuffle(%x) {group = 2 : i64} : (tensor<4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.channel_shuffle: 4 channels do not divide by 3
func.func @channel_shuffle_2(%x: tensor<1x4xf32>) {
  %r = nn.channel_shuffle(%x) {group = 3 : i64} : (tensor<1x4xf32>) -> tensor<*xf32>
  func.return
}
