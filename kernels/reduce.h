#ifndef KERNELS_REDUCE_H_
#define KERNELS_REDUCE_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

enum class ReduceOp : uint8_t {
  kSum,
  kSumSquares,
  kSumExp,  // sum exp(x - shift)
  kMax,     // NaN if any is; -inf over nothing
};

// y[o,i] = scale * op_j x[o,j,i], for x [outer, n, inner], shift and y [outer, inner]. Accumulates
// f32 and bf16 in f32, in an order given by the extents alone.
struct ReduceArgs {
  ReduceOp op;
  DType dtype;
  int64_t outer, n, inner;
  const void* x;
  void* y;
  const void* shift = nullptr;
  double scale = 1.0;
};
extern Kernel<void(const ReduceArgs&)> reduce;

}  // namespace palimpsest

#endif  // KERNELS_REDUCE_H_
