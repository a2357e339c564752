#ifndef OPS_RUN_REDUCE_H_
#define OPS_RUN_REDUCE_H_

#include <vector>

#include "absl/functional/function_ref.h"
#include "core/tensor.h"
#include "kernels/reduce.h"

// Reductions on tensors, with nothing recorded. Reduced axes stay as extent 1.
namespace palimpsest {

// Per axis of x: whether it is among `axes`, all of them if there are none.
std::vector<bool> ReducedAxes(const Tensor& x, const std::vector<int>& axes);
// x's shape with extent 1, or nothing, for the reduced axes.
Shape ReducedShape(const Shape& shape, const std::vector<bool>& reduced, bool keep);

// x seen as [outer, n, inner], reduced over n.
using ReduceAxis =
    absl::FunctionRef<Tensor(const Tensor& x, int64_t outer, int64_t n, int64_t inner)>;
// Applies `step` to each run of adjacent reduced axes, from the last to the first; at least once.
Tensor ReduceEach(Tensor x, const std::vector<bool>& reduced, ReduceAxis step);

// scale * op over the reduced axes; bf16 is rounded once.
Tensor RunReduce(ReduceOp op, const Tensor& x, const std::vector<bool>& reduced,
                 double scale = 1.0);
Tensor RunLogSumExp(const Tensor& x, const std::vector<bool>& reduced);

}  // namespace palimpsest

#endif  // OPS_RUN_REDUCE_H_
