// RUN: ovc-opt %s -p infer-shapes | filecheck %s

// Shape arithmetic becomes numbers on the way; the function's type follows.
// CHECK-LABEL: @flatten
// CHECK-SAME:  -> tensor<2x192xf32>
// CHECK-NEXT:  %[[SHAPE:.+]] = const.constant [2, -1] : tensor<2xi64>
// CHECK-NEXT:  nn.reshape(%x, %[[SHAPE]]) {{.*}} -> tensor<2x192xf32>
func.func @flatten(%x: tensor<2x3x8x8xf32>) -> tensor<*xf32> {
  %shape = nn.shape(%x) {start = 0 : i64, end = 1 : i64} : (tensor<2x3x8x8xf32>) -> tensor<*xi64>
  %rest = const.constant [-1] : tensor<1xi64>
  %sizes = nn.concat(%shape, %rest) {axis = 0 : i64} : (tensor<*xi64>, tensor<1xi64>) -> tensor<*xi64>
  %y = nn.reshape(%x, %sizes) : (tensor<2x3x8x8xf32>, tensor<*xi64>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}

// Numbers become shapes, shapes become numbers, in one walk.
// CHECK-LABEL: @again
// CHECK:       func.return %{{.+}} : tensor<8xi64>
// CHECK-NOT:   nn.size
func.func @again(%x: tensor<2x4xf32>) -> tensor<*xi64> {
  %count = nn.size(%x) : (tensor<2x4xf32>) -> tensor<i64>
  %axis = const.constant [0] : tensor<1xi64>
  %list = nn.unsqueeze(%count, %axis) : (tensor<i64>, tensor<1xi64>) -> tensor<*xi64>
  %flat = nn.reshape(%x, %list) : (tensor<2x4xf32>, tensor<*xi64>) -> tensor<*xf32>
  %shape = nn.shape(%flat) : (tensor<*xf32>) -> tensor<*xi64>
  %one = const.constant [1] : tensor<1xi64>
  %ones = nn.expand(%one, %shape) : (tensor<1xi64>, tensor<*xi64>) -> tensor<*xi64>
  func.return %ones : tensor<*xi64>
}

// What depends on an unknown dimension stays unknown.
// CHECK-LABEL: @symbolic
// CHECK:       nn.shape
// CHECK:       nn.relu(%x) {{.*}} -> tensor<*xf32>
func.func @symbolic(%x: tensor<?x3xf32, #nn.symbols<"batch", "">>) -> tensor<*xf32> {
  %shape = nn.shape(%x) : (tensor<?x3xf32, #nn.symbols<"batch", "">>) -> tensor<*xi64>
  %y = nn.relu(%x) : (tensor<?x3xf32, #nn.symbols<"batch", "">>) -> tensor<*xf32>
  %z = nn.reshape(%y, %shape) : (tensor<*xf32>, tensor<*xi64>) -> tensor<*xf32>
  func.return %z : tensor<*xf32>
}
