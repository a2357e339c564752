#ifndef KERNELS_SUM_SQUARES_H_
#define KERNELS_SUM_SQUARES_H_

#include <cstdint>

#include "absl/types/span.h"
#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// sum_i x_i^2, squared and summed in f64, so that it overflows for no f32; in an order given by the
// size alone.
struct SumSquaresArgs {
  DType dtype;  // Any float.
  int64_t size;
  const void* x;
};
// sums [size]: of each, where the tensors are.
extern Kernel<void(absl::Span<const SumSquaresArgs>, double* sums)> sum_squares;

}  // namespace palimpsest

#endif  // KERNELS_SUM_SQUARES_H_
