#ifndef KERNELS_SGD_H_
#define KERNELS_SGD_H_

#include "absl/types/span.h"
#include "core/kernel.h"
#include "kernels/update.h"

namespace palimpsest {

// Gradient descent with momentum (torch.optim.SGD) in one pass, with
// g = grad_scale grad + weight_decay param:
//   m = keep m + write g,  u = lookahead ? keep m + write g : m,  param = param - lr u
// torch: keep = momentum, write = 1 - dampening, lookahead = nesterov.
struct SgdArgs {
  ParamUpdate update;
  const void* m = nullptr;  // Without, u = g: keep, write and lookahead say nothing.
  void* m_out = nullptr;
  Scalar lr;
  double keep = 0.0, write = 1.0, first_write = 1.0, weight_decay = 0.0;
  bool lookahead = false;
};
// Each of them; the first step writes with first_write.
extern Kernel<void(absl::Span<const SgdArgs>)> sgd;

// The definition: one element after another, in f64.
void SgdReference(const SgdArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_SGD_H_
