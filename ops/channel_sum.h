#ifndef OPS_CHANNEL_SUM_H_
#define OPS_CHANNEL_SUM_H_

#include "core/tensor.h"

namespace palimpsest {

// y_i = sum_j weight_ji x_ji: x [..., channels, width], weight [channels, width] -> [..., width].
Tensor ChannelSum(const Tensor& x, const Tensor& weight);

}  // namespace palimpsest

#endif  // OPS_CHANNEL_SUM_H_
