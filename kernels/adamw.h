#ifndef KERNELS_ADAMW_H_
#define KERNELS_ADAMW_H_

#include "absl/types/span.h"
#include "core/kernel.h"
#include "kernels/update.h"

namespace palimpsest {

// AdamW (Loshchilov & Hutter 2019) in one pass, with g = grad_scale grad:
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//   param = (1 - lr weight_decay) param - lr mhat / (sqrt(vhat) + eps)
// where mhat = m / (1 - beta1^t), vhat = v / (1 - beta2^t).
struct AdamWArgs {
  ParamUpdate update;
  const void *m, *v;
  void *m_out, *v_out;
  Scalar lr;
  double beta1, beta2, eps, weight_decay;
};
// Each of them.
extern Kernel<void(absl::Span<const AdamWArgs>)> adamw;

// The definition: one element after another, in f64.
void AdamWReference(const AdamWArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_ADAMW_H_
