// RUN: ovc-opt %s -p remove-empty | filecheck %s
// RUN: ovc-opt %s -p remove-empty,remove-empty | filecheck %s

// What reads a tensor without elements reads a constant.
// CHECK-LABEL: @reduced
// CHECK:       %[[EMPTY:.+]] = const.constant [] : tensor<0x4xf32>
// CHECK:       nn.reduce_sum(%[[EMPTY]], %{{.+}})
func.func @reduced(%x: tensor<3x4xf32>) -> tensor<1x4xf32> {
  %from = const.constant [3] : tensor<1xi64>
  %to = const.constant [5] : tensor<1xi64>
  %axis = const.constant [0] : tensor<1xi64>
  %0 = nn.slice(%x, %from, %to) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<0x4xf32>
  %1 = nn.reduce_sum(%0, %axis) : (tensor<0x4xf32>, tensor<1xi64>) -> tensor<1x4xf32>
  func.return %1 : tensor<1x4xf32>
}

// CHECK-LABEL: @joined
// CHECK:       nn.concat(%x, %y) {axis = 0 : i64}
func.func @joined(%x: tensor<3x4xf32>, %y: tensor<1x4xf32>) -> tensor<4x4xf32> {
  %0 = const.constant [] : tensor<0x4xf32>
  %1 = nn.concat(%x, %0, %y) {axis = 0 : i64} : (tensor<3x4xf32>, tensor<0x4xf32>, tensor<1x4xf32>) -> tensor<4x4xf32>
  func.return %1 : tensor<4x4xf32>
}

// One part is all of it.
// CHECK-LABEL: @parted
// CHECK-NOT:   nn.split
// CHECK:       nn.relu(%x)
func.func @parted(%x: tensor<3x4xf32>) -> (tensor<3x4xf32>) {
  %sizes = const.constant [0, 3] : tensor<2xi64>
  %0, %1 = nn.split(%x, %sizes) {axis = 0 : i64} : (tensor<3x4xf32>, tensor<2xi64>) -> (tensor<0x4xf32>, tensor<3x4xf32>)
  %2 = nn.relu(%1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  func.return %2 : tensor<3x4xf32>
}

// CHECK-LABEL: @two_parts
// CHECK:       nn.split(%x, %{{.+}})
func.func @two_parts(%x: tensor<3x4xf32>) -> (tensor<1x4xf32>, tensor<2x4xf32>) {
  %sizes = const.constant [1, 0, 2] : tensor<3xi64>
  %0, %1, %2 = nn.split(%x, %sizes) {axis = 0 : i64} : (tensor<3x4xf32>, tensor<3xi64>) -> (tensor<1x4xf32>, tensor<0x4xf32>, tensor<2x4xf32>)
  func.return %0, %2 : tensor<1x4xf32>, tensor<2x4xf32>
}
