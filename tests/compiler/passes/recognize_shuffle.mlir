// RUN: ovc-opt %s -p recognize-shuffle,dce | filecheck %s

// CHECK-LABEL: @outer
// CHECK-NEXT:  %[[Y:.+]] = nn.depth_to_space(%x) {blocksize = 2 : i64, mode = "DCR"}
// CHECK-NEXT:  func.return %[[Y]]
func.func @outer(%x: tensor<1x4x1x2xf32>) -> tensor<1x1x2x4xf32> {
  %apart = const.constant [1, 2, 2, 1, 1, 2] : tensor<6xi64>
  %image = const.constant [1, 1, 2, 4] : tensor<4xi64>
  %a = nn.reshape(%x, %apart) : (tensor<1x4x1x2xf32>, tensor<6xi64>) -> tensor<1x2x2x1x1x2xf32>
  %b = nn.transpose(%a) {perm = array<i64: 0, 3, 4, 1, 5, 2>} : (tensor<1x2x2x1x1x2xf32>) -> tensor<1x1x1x2x2x2xf32>
  %y = nn.reshape(%b, %image) : (tensor<1x1x1x2x2x2xf32>, tensor<4xi64>) -> tensor<1x1x2x4xf32>
  func.return %y : tensor<1x1x2x4xf32>
}

// The squares are transposed.
// CHECK-LABEL: @turned
// CHECK:       nn.transpose
func.func @turned(%x: tensor<1x4x1x2xf32>) -> tensor<1x1x2x4xf32> {
  %apart = const.constant [1, 1, 2, 2, 1, 2] : tensor<6xi64>
  %image = const.constant [1, 1, 2, 4] : tensor<4xi64>
  %a = nn.reshape(%x, %apart) : (tensor<1x4x1x2xf32>, tensor<6xi64>) -> tensor<1x1x2x2x1x2xf32>
  %b = nn.transpose(%a) {perm = array<i64: 0, 1, 4, 3, 5, 2>} : (tensor<1x1x2x2x1x2xf32>) -> tensor<1x1x1x2x2x2xf32>
  %y = nn.reshape(%b, %image) : (tensor<1x1x1x2x2x2xf32>, tensor<4xi64>) -> tensor<1x1x2x4xf32>
  func.return %y : tensor<1x1x2x4xf32>
}

// CHECK-LABEL: @channels
// CHECK-NEXT:  %[[Y:.+]] = nn.channel_shuffle(%x) {group = 2 : i64}
// CHECK-NEXT:  func.return %[[Y]]
func.func @channels(%x: tensor<1x6x2x2xf32>) -> tensor<1x6x2x2xf32> {
  %apart = const.constant [1, 2, 3, 4] : tensor<4xi64>
  %image = const.constant [1, 6, 2, 2] : tensor<4xi64>
  %a = nn.reshape(%x, %apart) : (tensor<1x6x2x2xf32>, tensor<4xi64>) -> tensor<1x2x3x4xf32>
  %b = nn.transpose(%a) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x2x3x4xf32>) -> tensor<1x3x2x4xf32>
  %y = nn.reshape(%b, %image) : (tensor<1x3x2x4xf32>, tensor<4xi64>) -> tensor<1x6x2x2xf32>
  func.return %y : tensor<1x6x2x2xf32>
}

// One part keeps its place: the channels are as they were.
// CHECK-LABEL: @halves_apart
// CHECK:       nn.transpose
func.func @halves_apart(%x: tensor<1x6x2x2xf32>) -> tensor<1x6x2x2xf32> {
  %apart = const.constant [1, 6, 1, 4] : tensor<4xi64>
  %image = const.constant [1, 6, 2, 2] : tensor<4xi64>
  %a = nn.reshape(%x, %apart) : (tensor<1x6x2x2xf32>, tensor<4xi64>) -> tensor<1x6x1x4xf32>
  %b = nn.transpose(%a) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x6x1x4xf32>) -> tensor<1x1x6x4xf32>
  %y = nn.reshape(%b, %image) : (tensor<1x1x6x4xf32>, tensor<4xi64>) -> tensor<1x6x2x2xf32>
  func.return %y : tensor<1x6x2x2xf32>
}
