// RUN: ovc-opt %s -p fuse-groups | filecheck %s

// CHECK-LABEL: @legal
// CHECK: %[[Y:.+]] = nn.conv(%x, %{{.+}}) {{.*}}group = 2
// CHECK-NEXT: func.return %[[Y]]
func.func @legal(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%c, %d) {axis = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// Swapped branches.
// CHECK-LABEL: @swapped
// CHECK: nn.split
// CHECK: nn.concat
func.func @swapped(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%d, %c) {axis = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// One branch twice.
// CHECK-LABEL: @twice
// CHECK: nn.split
// CHECK: nn.concat
func.func @twice(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%c, %c) {axis = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// Another axis.
// CHECK-LABEL: @axis
// CHECK: nn.split
// CHECK: nn.concat
func.func @axis(%x: tensor<1x2x4xf32>) -> tensor<1x1x8xf32> {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%c, %d) {axis = 2 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x1x8xf32>
  func.return %y : tensor<1x1x8xf32>
}

// Other padding of the same size.
// CHECK-LABEL: @padding
// CHECK: nn.split
// CHECK: nn.concat
func.func @padding(%x: tensor<1x2x4xf32>) -> tensor<1x2x5xf32> {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) {pads = array<i64: 1, 0>} : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x5xf32>
  %d = nn.conv(%b, %w) {pads = array<i64: 0, 1>} : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x5xf32>
  %y = nn.concat(%c, %d) {axis = 1 : i64} : (tensor<1x1x5xf32>, tensor<1x1x5xf32>) -> tensor<1x2x5xf32>
  func.return %y : tensor<1x2x5xf32>
}

// A bias on one side only.
// CHECK-LABEL: @bias
// CHECK: nn.split
// CHECK: nn.concat
func.func @bias(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %e = const.constant [3.0] : tensor<1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w, %e) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%c, %d) {axis = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// A second reader of a part, and of a convolution.
// CHECK-LABEL: @part
// CHECK: nn.split
// CHECK: nn.concat
func.func @part(%x: tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x1x4xf32>) {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%c, %d) {axis = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  func.return %y, %a : tensor<1x2x4xf32>, tensor<1x1x4xf32>
}

// CHECK-LABEL: @result
// CHECK: nn.split
// CHECK: nn.concat
func.func @result(%x: tensor<1x2x4xf32>) -> (tensor<1x2x4xf32>, tensor<1x1x4xf32>) {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%c, %d) {axis = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  func.return %y, %d : tensor<1x2x4xf32>, tensor<1x1x4xf32>
}

// Something in between.
// CHECK-LABEL: @between
// CHECK: nn.split
// CHECK: nn.concat
func.func @between(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %r = nn.relu(%d) : (tensor<1x1x4xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%c, %r) {axis = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// CHECK-LABEL: @kept
// CHECK: nn.split
// CHECK: nn.concat
func.func @kept(%x: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %v = const.constant [1.0] : tensor<1x1x1xf32>
  %w = const.constant [2.0] : tensor<1x1x1xf32>
  %a, %b = nn.split(%x) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<1x2x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>)
  %c = nn.conv(%a, %v) {keep} : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = nn.conv(%b, %w) : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %y = nn.concat(%c, %d) {axis = 1 : i64} : (tensor<1x1x4xf32>, tensor<1x1x4xf32>) -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}
