// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.batch_norm: the input [3] has no channels, expected [N, C, ...]
func.func @batch_norm_1(%x: tensor<3xf32>, %scale: tensor<3xf32>, %bias: tensor<3xf32>, %mean: tensor<3xf32>, %variance: tensor<3xf32>) {
  %r = nn.batch_norm(%x, %scale, %bias, %mean, %variance) : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.batch_norm: variance [2] does not match the 3 channels of [1, 3]
func.func @batch_norm_2(%x: tensor<1x3xf32>, %scale: tensor<3xf32>, %bias: tensor<3xf32>, %mean: tensor<3xf32>, %variance: tensor<2xf32>) {
  %r = nn.batch_norm(%x, %scale, %bias, %mean, %variance) : (tensor<1x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.instance_norm: the input [1, 3] has no spatial dimension
func.func @instance_norm_1(%x: tensor<1x3xf32>, %scale: tensor<3xf32>, %bias: tensor<3xf32>) {
  %r = nn.instance_norm(%x, %scale, %bias) : (tensor<1x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.group_norm: the input [3] has no channels
func.func @group_norm_1(%x: tensor<3xf32>, %scale: tensor<3xf32>, %bias: tensor<3xf32>) {
  %r = nn.group_norm(%x, %scale, %bias) {num_groups = 3 : i64} : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.group_norm: 3 channels do not divide into 2 groups
func.func @group_norm_2(%x: tensor<1x3x2xf32>, %scale: tensor<3xf32>, %bias: tensor<3xf32>) {
  %r = nn.group_norm(%x, %scale, %bias) {num_groups = 2 : i64} : (tensor<1x3x2xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.group_norm: scale [3] matches neither 4 channels nor 2 groups
func.func @group_norm_3(%x: tensor<1x4x2xf32>, %scale: tensor<3xf32>, %bias: tensor<4xf32>) {
  %r = nn.group_norm(%x, %scale, %bias) {num_groups = 2 : i64} : (tensor<1x4x2xf32>, tensor<3xf32>, tensor<4xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.layer_norm: shapes [2] and [2, 3] do not broadcast
func.func @layer_norm_1(%x: tensor<2x3xf32>, %scale: tensor<2xf32>) {
  %r0, %r1, %r2 = nn.layer_norm(%x, %scale) : (tensor<2x3xf32>, tensor<2xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  func.return
}

// -----

// CHECK: nn.rms_norm: shapes [2] and [2, 3] do not broadcast
func.func @rms_norm_1(%x: tensor<2x3xf32>, %scale: tensor<2xf32>) {
  %r = nn.rms_norm(%x, %scale) : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.lrn: size 0 must be at least 1
func.func @lrn_1(%x: tensor<1x3x8xf32>) {
  %r = nn.lrn(%x) {size = 0 : i64} : (tensor<1x3x8xf32>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.lp_norm: p 3 is neither 1 nor 2
func.func @lp_norm_1(%x: tensor<2x3xf32>) {
  %r = nn.lp_norm(%x) {p = 3 : i64} : (tensor<2x3xf32>) -> tensor<*xf32>
  func.return
}
