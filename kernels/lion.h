#ifndef KERNELS_LION_H_
#define KERNELS_LION_H_

#include "absl/types/span.h"
#include "core/kernel.h"
#include "kernels/update.h"

namespace palimpsest {

// Lion (Chen et al. 2023, arXiv 2302.06675) in one pass, with g = grad_scale grad:
//   param = (1 - lr weight_decay) param - lr sign(beta1 m + (1 - beta1) g)
//   m = beta2 m + (1 - beta2) g
// sign(0) = 0.
struct LionArgs {
  ParamUpdate update;
  const void* m;
  void* m_out;
  Scalar lr;
  double beta1, beta2, weight_decay = 0.0;
};
// Each of them.
extern Kernel<void(absl::Span<const LionArgs>)> lion;

// The definition: one element after another, in f64.
void LionReference(const LionArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_LION_H_
