#ifndef OPS_LAYOUT_H_
#define OPS_LAYOUT_H_

#include <vector>

#include "core/tensor.h"

namespace palimpsest {

// One extent may be -1: what is left. Shares the buffer.
Tensor Reshape(const Tensor& x, Shape shape);
// Axis i of the result is axis order[i] of x.
Tensor Permute(const Tensor& x, const std::vector<int>& order);
// [begin, end) along `axis`. Shares the buffer along the first axis.
Tensor Slice(const Tensor& x, int axis, int64_t begin, int64_t end);
Tensor Concat(const Tensors& xs, int axis);
// The inverse of Concat: parts of the given extents.
Tensors Split(const Tensor& x, const std::vector<int64_t>& extents, int axis);
// `before` and `after` elements of `value` along `axis`.
Tensor Pad(const Tensor& x, int axis, int64_t before, int64_t after, double value = 0.0);

}  // namespace palimpsest

#endif  // OPS_LAYOUT_H_
