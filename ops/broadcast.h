#ifndef OPS_BROADCAST_H_
#define OPS_BROADCAST_H_

#include "core/tensor.h"

namespace palimpsest {

// Sums the axes that broadcasting `shape` to x's shape would add or stretch; and its adjoint.
Tensor SumTo(const Tensor& x, const Shape& shape);
Tensor BroadcastTo(const Tensor& x, const Shape& shape);

}  // namespace palimpsest

#endif  // OPS_BROADCAST_H_
