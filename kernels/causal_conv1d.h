#ifndef KERNELS_CAUSAL_CONV1D_H_
#define KERNELS_CAUSAL_CONV1D_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// y[b,t,c] = bias[c] + sum_s weight[c,s] x[b, t - (width-1) + s, c], where places of x before 0 are
// those of `before`. x [batch, time, channels], weight [channels, width], bias [channels] or null,
// before [batch, width-1, channels] or null for zeros.
struct CausalConv1dArgs {
  int64_t batch = 0, time = 0, channels = 0, width = 0;
  DType dtype = DType::kF32;
  const void *x = nullptr, *weight = nullptr, *bias = nullptr, *before = nullptr;
  void* y = nullptr;
};

// The gradients for dy, a cotangent of y; null where there is no bias or before.
struct CausalConv1dVjpArgs {
  CausalConv1dArgs forward;
  const void* dy = nullptr;
  void *dx = nullptr, *dweight = nullptr, *dbias = nullptr, *dbefore = nullptr;
};

extern Kernel<void(const CausalConv1dArgs&)> causal_conv1d;
extern Kernel<void(const CausalConv1dVjpArgs&)> causal_conv1d_vjp;

}  // namespace palimpsest

#endif  // KERNELS_CAUSAL_CONV1D_H_
