#ifndef OPS_REDUCE_H_
#define OPS_REDUCE_H_

#include <vector>

#include "core/tensor.h"
#include "ops/broadcast.h"

namespace palimpsest {

// Reductions over `axes` (negative ones count from the back; none given: all), which stay as extent
// 1 if `keep`. The order of summation is fixed by the shape alone. Over no elements: 0, or -inf for
// Max and LogSumExp; Mean is then NaN.
Tensor Sum(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);
Tensor Mean(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);
// Equal maxima share the gradient.
Tensor Max(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);
Tensor LogSumExp(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);
// sqrt(sum x^2); gradient 0 where it is 0.
Tensor Norm(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);

// Running sums along `axis`: y_t = sum_{s <= t} x_s, or sum_{s >= t} x_s if `reverse`.
Tensor CumSum(const Tensor& x, int axis, bool reverse = false);
// The same for log(sum exp), without overflow.
Tensor LogCumSumExp(const Tensor& x, int axis, bool reverse = false);

}  // namespace palimpsest

#endif  // OPS_REDUCE_H_
