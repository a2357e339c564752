#ifndef OPS_CONV_H_
#define OPS_CONV_H_

#include "core/tensor.h"

namespace palimpsest {

// Depthwise causal convolution: y[b,t,c] = bias[c] + sum_s weight[c,s] x[b, t - (width-1) + s, c].
// x [batch, time, channels], weight [channels, width], bias [channels] or empty. `before`, [batch,
// width-1, channels] or empty for zeros, is what came before x; all have gradients.
Tensor CausalConv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                    const Tensor& before = {});

}  // namespace palimpsest

#endif  // OPS_CONV_H_
