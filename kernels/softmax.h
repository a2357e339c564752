#ifndef KERNELS_SOFTMAX_H_
#define KERNELS_SOFTMAX_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// y = softmax(x), or its logarithm, of each row of x [rows, n]; bf16 in f32.
struct SoftmaxArgs {
  bool log;
  DType dtype;
  int64_t rows, n;
  const void* x;
  void* y;
};
extern Kernel<void(const SoftmaxArgs&)> softmax;

// dx = y (dy - sum y dy), or for the logarithm dx = dy - exp(y) sum dy.
struct SoftmaxGradArgs {
  bool log;
  DType dtype;
  int64_t rows, n;
  const void *y, *dy;
  void* dx;
};
extern Kernel<void(const SoftmaxGradArgs&)> softmax_grad;

}  // namespace palimpsest

#endif  // KERNELS_SOFTMAX_H_
