// RUN: ovc-opt %s -p 'fix-shapes{shapes="x:1x3x8x6"}' | filecheck %s
// RUN: not ovc-opt %s -p 'fix-shapes{shapes="z:1"}' 2>&1 | filecheck %s --check-prefix NAME
// RUN: not ovc-opt %s -p 'fix-shapes{shapes="x:1x3x8"}' 2>&1 | filecheck %s --check-prefix RANK
// RUN: not ovc-opt %s -p 'fix-shapes{shapes="x:1x4x8x6"}' 2>&1 | filecheck %s --check-prefix FIXED
// RUN: not ovc-opt %s -p 'fix-shapes{shapes="x:1x3x8x6","y:2x5"}' 2>&1 | filecheck %s --check-prefix TWICE
// RUN: not ovc-opt %s -p 'fix-shapes{shapes="x:0x3x8x6"}' 2>&1 | filecheck %s --check-prefix ZERO

// A named size is the same wherever the name occurs; "?" sizes are their own.
// CHECK: func.func @main
// CHECK-SAME: tensor<1x3x8x6xf32>
// CHECK-SAME: tensor<1x?xf32, #nn.symbols<"", "length">>
// NAME: input "z": the network has no such input; inputs: x, y
// RANK: input "x": shape 1x3x8 has 3 dimensions, the model's nx3x?x? has 4
// FIXED: input "x": dimension 1 is 3 in the model, not 4
// TWICE: input "y": dimension 0 ("n") is 2, but the same dimension of input "x" is 1
// ZERO: input "x": shape 0x3x8x6 has a dimension smaller than 1
func.func @main(%x: tensor<?x3x?x?xf32, #nn.symbols<"n", "", "", "">>,
                %y: tensor<?x?xf32, #nn.symbols<"n", "length">>) -> tensor<*xf32>
    attributes {input_names = ["x", "y"]} {
  %z = nn.relu(%x) : (tensor<?x3x?x?xf32, #nn.symbols<"n", "", "", "">>) -> tensor<*xf32>
  func.return %z : tensor<*xf32>
}
