#ifndef OPS_ROPE_H_
#define OPS_ROPE_H_

#include "core/tensor.h"

namespace palimpsest {

// Rotary position embedding (Su et al. 2021): turns the pair (x_i, x_{i + dim/2}) of the token at
// position p = offset + t by p base^(-2i/dim). x [batch, time, heads, dim], dim even.
Tensor Rope(const Tensor& x, int64_t offset = 0, double base = 10000.0);

}  // namespace palimpsest

#endif  // OPS_ROPE_H_
