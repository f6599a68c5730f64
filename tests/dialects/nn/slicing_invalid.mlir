// RUN: ovc-opt %s --split-input-file --verify-diagnostics | filecheck %s

// CHECK: nn.slice: 2 starts, 1 ends, 2 axes and 2 steps, expected as many of each
func.func @slice_1(%x: tensor<4xf32>) {
  %starts = const.constant [0, 1] : tensor<2xi64>
  %ends = const.constant [1] : tensor<1xi64>
  %r = nn.slice(%x, %starts, %ends) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>} : (tensor<4xf32>, tensor<2xi64>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.slice: a step is 0
func.func @slice_2(%x: tensor<4xf32>) {
  %starts = const.constant [0] : tensor<1xi64>
  %ends = const.constant [1] : tensor<1xi64>
  %axes = const.constant [0] : tensor<1xi64>
  %steps = const.constant [0] : tensor<1xi64>
  %r = nn.slice(%x, %starts, %ends, %axes, %steps) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>} : (tensor<4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.pad: 1 pads for 1 axes, expected twice
func.func @pad_1(%x: tensor<4xf32>) {
  %pads = const.constant [1] : tensor<1xi64>
  %r = nn.pad(%x, %pads) {operandSegmentSizes = array<i32: 1, 1, 0, 0>} : (tensor<4xf32>, tensor<1xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.pad: pads -3 and -2 cut more than 4 elements
func.func @pad_2(%x: tensor<4xf32>) {
  %pads = const.constant [-3, -2] : tensor<2xi64>
  %r = nn.pad(%x, %pads) {operandSegmentSizes = array<i32: 1, 1, 0, 0>} : (tensor<4xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.pad: nothing is left to pad by mode "reflect"
func.func @pad_3(%x: tensor<4xf32>) {
  %pads = const.constant [-4, 1] : tensor<2xi64>
  %r = nn.pad(%x, %pads) {mode = "reflect", operandSegmentSizes = array<i32: 1, 1, 0, 0>} : (tensor<4xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return
}

// -----

// CHECK: nn.pad: mode is "some", expected one of ('constant', 'reflect', 'edge', 'wrap')
func.func @pad_4(%x: tensor<4xf32>) {
  %pads = const.constant [1, 1] : tensor<2xi64>
  %r = nn.pad(%x, %pads) {mode = "some", operandSegmentSizes = array<i32: 1, 1, 0, 0>} : (tensor<4xf32>, tensor<2xi64>) -> tensor<*xf32>
  func.return
}
