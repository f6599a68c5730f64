// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.quantize_linear: scale [3] and zero point [2] have different shapes
func.func @quantize_linear_1(%x: tensor<2x3xf32>, %scale: tensor<3xf32>, %zero_point: tensor<2xi8>) {
  %r = nn.quantize_linear(%x, %scale, %zero_point) : (tensor<2x3xf32>, tensor<3xf32>, tensor<2xi8>) -> tensor<*xi8>
  func.return
}

// -----

// CHECK: nn.dequantize_linear: scale [2] does not match dimension 1 of [2, 3]
func.func @dequantize_linear_1(%x: tensor<2x3xi8>, %scale: tensor<2xf32>, %zero_point: tensor<2xi8>) {
  %r = nn.dequantize_linear(%x, %scale, %zero_point) {axis = 1 : i64} : (tensor<2x3xi8>, tensor<2xf32>, tensor<2xi8>) -> tensor<*xf32>
  func.return
}
