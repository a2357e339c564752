#ifndef OPS_NORM_H_
#define OPS_NORM_H_

#include "core/tensor.h"

namespace palimpsest {

// Over the last axis, n long; statistics in f32 for bf16. `weight` and `bias` are [n] or empty.
// x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019).
Tensor RmsNorm(const Tensor& x, const Tensor& weight = {}, double eps = 1e-6);
// (x - mean) / sqrt(var + eps) * weight + bias, var over n (Ba et al. 2016).
Tensor LayerNorm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                 double eps = 1e-5);
// x / sqrt(sum(x^2) + eps).
Tensor L2Normalize(const Tensor& x, double eps = 1e-6);

}  // namespace palimpsest

#endif  // OPS_NORM_H_
