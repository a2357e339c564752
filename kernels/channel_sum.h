#ifndef KERNELS_CHANNEL_SUM_H_
#define KERNELS_CHANNEL_SUM_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// y_ri = sum_j weight_ji x_rji; in f32 for bf16.
struct ChannelSumArgs {
  DType dtype;
  int64_t rows, channels, width;
  const void* x;       // [rows, channels, width]
  const void* weight;  // [channels, width]
  void* y;             // [rows, width]
};
extern Kernel<void(const ChannelSumArgs&)> channel_sum;

// dx_rji = weight_ji dy_ri, dweight_ji = sum_r dy_ri x_rji.
struct ChannelSumVjpArgs {
  ChannelSumArgs forward;  // Its y is not used.
  const void* dy;
  void *dx, *dweight;
};
extern Kernel<void(const ChannelSumVjpArgs&)> channel_sum_vjp;

}  // namespace palimpsest

#endif  // KERNELS_CHANNEL_SUM_H_
