#ifndef KERNELS_NEWTON_SCHULZ_H_
#define KERNELS_NEWTON_SCHULZ_H_

#include <cstdint>

#include "absl/types/span.h"
#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// X <- a X + b (X X^T) X + c (X X^T)^2 X: an odd quintic of the singular values.
struct QuinticStep {
  double a, b, c;
};

// y = the steps on each matrix of x, [batch, rows, cols], whose singular values are at most 1.
struct NewtonSchulzArgs {
  DType dtype;  // Of x, y and all products; bf16: of the factors of products, all else is f32.
  int64_t batch, rows, cols;
  absl::Span<const QuinticStep> steps;
  const void* x;
  void* y;
};
extern Kernel<void(const NewtonSchulzArgs&)> newton_schulz;

}  // namespace palimpsest

#endif  // KERNELS_NEWTON_SCHULZ_H_
