// RUN: ovc-opt %s -p fold-batch-norm | filecheck %s
// RUN: ovc-opt %s -p fold-batch-norm,fold-constants | filecheck %s --check-prefix NUMBERS

// Algebra on constants first, numbers from fold-constants.
// CHECK-LABEL: @conv
// CHECK:       %[[SUM:.+]] = nn.add(%variance,
// CHECK-NEXT:  %[[ROOT:.+]] = nn.sqrt(%[[SUM]])
// CHECK-NEXT:  %[[K:.+]] = nn.div(%scale, %[[ROOT]])
// CHECK-NEXT:  %[[MEAN:.+]] = nn.mul(%mean, %[[K]])
// CHECK-NEXT:  %[[SHIFT:.+]] = nn.sub(%bias, %[[MEAN]])
// CHECK:       %[[PER:.+]] = nn.reshape(%[[K]],
// CHECK-NEXT:  %[[W:.+]] = nn.mul(%w, %[[PER]])
// CHECK-NEXT:  %[[B0:.+]] = nn.mul(%b, %[[K]])
// CHECK-NEXT:  %[[B:.+]] = nn.add(%[[B0]], %[[SHIFT]])
// CHECK-NEXT:  %[[Y:.+]] = nn.conv(%x, %[[W]], %[[B]]) {pads = array<i64: 1, 0>
// CHECK-NEXT:  func.return %[[Y]]
// NUMBERS-LABEL: @conv
// NUMBERS-NEXT:  const.constant [2.0, 4.0] : tensor<2x1x1xf32>
// NUMBERS-NEXT:  const.constant [-1.0, 4.0] : tensor<2xf32>
// NUMBERS-NEXT:  nn.conv
func.func @conv(%x: tensor<1x1x4xf32>) -> tensor<1x2x5xf32> {
  %w = const.constant [2.0, 2.0] : tensor<2x1x1xf32>
  %b = const.constant [1.0, 1.0] : tensor<2xf32>
  %scale = const.constant [1.0, 2.0] : tensor<2xf32>
  %bias = const.constant [0.0, 8.0] : tensor<2xf32>
  %mean = const.constant [2.0, 3.0] : tensor<2xf32>
  %variance = const.constant [0.5, 0.5] : tensor<2xf32>
  %c = nn.conv(%x, %w, %b) {pads = array<i64: 1, 0>} : (tensor<1x1x4xf32>, tensor<2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x5xf32>
  %y = nn.batch_norm(%c, %scale, %bias, %mean, %variance) {epsilon = 0.5 : f64} : (tensor<1x2x5xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x5xf32>
  func.return %y : tensor<1x2x5xf32>
}

// A second reader of the convolution forbids the fold: it would be computed twice.
// CHECK-LABEL: @shared
// CHECK:       %[[C:.+]] = nn.conv(%x, %w)
// CHECK:       nn.scale_shift(%[[C]],
// NUMBERS-LABEL: @shared
func.func @shared(%x: tensor<1x1x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>) {
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %one = const.constant [1.0] : tensor<1xf32>
  %c = nn.conv(%x, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %y = nn.batch_norm(%c, %one, %one, %one, %one) : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  func.return %y, %c : tensor<1x1x4xf32>, tensor<1x1x4xf32>
}

// A product of matrices becomes a gemm with an addend.
// CHECK-LABEL: @matmul
// CHECK:       nn.gemm(%x, %{{.+}}, %{{.+}})
// CHECK-NEXT:  func.return
// NUMBERS-LABEL: @matmul
func.func @matmul(%x: tensor<4x1xf32>) -> tensor<4x1xf32> {
  %w = const.constant [2.0] : tensor<1x1xf32>
  %one = const.constant [1.0] : tensor<1xf32>
  %c = nn.matmul(%x, %w) : (tensor<4x1xf32>, tensor<1x1xf32>) -> tensor<4x1xf32>
  %y = nn.batch_norm(%c, %one, %one, %one, %one) : (tensor<4x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<4x1xf32>
  func.return %y : tensor<4x1xf32>
}

// The channel of a product of higher rank is not its column.
// CHECK-LABEL: @rows
// CHECK:       nn.matmul
// CHECK:       nn.scale_shift
// NUMBERS-LABEL: @rows
func.func @rows(%x: tensor<1x1x4xf32>) -> tensor<1x1x1xf32> {
  %w = const.constant [2.0, 2.0, 2.0, 2.0] : tensor<4x1xf32>
  %one = const.constant [1.0] : tensor<1xf32>
  %c = nn.matmul(%x, %w) : (tensor<1x1x4xf32>, tensor<4x1xf32>) -> tensor<1x1x1xf32>
  %y = nn.batch_norm(%c, %one, %one, %one, %one) : (tensor<1x1x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x1xf32>
  func.return %y : tensor<1x1x1xf32>
}

// Statistics that are computed stay a batch norm.
// CHECK-LABEL: @computed
// CHECK:       nn.batch_norm
// NUMBERS-LABEL: @computed
func.func @computed(%x: tensor<1x1x4xf32>, %mean: tensor<1xf32>) -> tensor<1x1x4xf32> {
  %one = const.constant [1.0] : tensor<1xf32>
  %y = nn.batch_norm(%x, %one, %one, %mean, %one) : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  func.return %y : tensor<1x1x4xf32>
}
