// RUN: ovc-opt %s | filecheck %s

// A large constant of one number shows that number; a small one shows all of them.
// CHECK-LABEL: @uniform
func.func @uniform() -> (tensor<100xf32>, tensor<2xi64>) {
  // CHECK-NEXT: const.constant [1.5] : tensor<100xf32>
  %a = const.constant [1.5] : tensor<100xf32>
  // CHECK-NEXT: const.constant [3, 3] : tensor<2xi64>
  %b = const.constant [3] : tensor<2xi64>
  func.return %a, %b : tensor<100xf32>, tensor<2xi64>
}
