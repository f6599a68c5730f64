// RUN: not ovc-opt %s -p legal 2>&1 | filecheck %s
// RUN: not ovc-opt %s -p plan 2>&1 | filecheck %s --check-prefix PLAN
// RUN: ovc-opt %s -p network --print-ir-after network | filecheck %s --check-prefix PRINT

// CHECK: error: at the end of stage legal: layer "act" (nn.relu): its result type tensor<*xf32> is not static
// PLAN:  error: at the end of stage plan: layer "act" (nn.relu): only {{.*}}plan{{.*}} are allowed
// PRINT: // IR after network
// PRINT: nn.relu
func.func @main(%x: tensor<?xf32>) -> tensor<*xf32> {
  %y = nn.relu(%x) : (tensor<?xf32>) -> tensor<*xf32> loc("act")
  func.return %y : tensor<*xf32>
}
