#ifndef KERNELS_ADAMW_H_
#define KERNELS_ADAMW_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// AdamW (Loshchilov & Hutter 2019) in one pass, with g = grad_scale grad:
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//   param = (1 - lr weight_decay) param - lr mhat / (sqrt(vhat) + eps)
// where mhat = m / (1 - beta1^t), vhat = v / (1 - beta2^t). An output may be its own input.
struct AdamWArgs {
  DType dtype;  // f64 or f32, of all.
  int64_t size;
  const void *param, *grad, *m, *v;
  void *param_out, *m_out, *v_out;
  double lr, beta1, beta2, eps, weight_decay, grad_scale;
  int64_t t;  // From 1.
};
extern Kernel<void(const AdamWArgs&)> adamw;

// The definition: one element after another, in f64.
void AdamWReference(const AdamWArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_ADAMW_H_
