#ifndef KERNELS_SGD_H_
#define KERNELS_SGD_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// Gradient descent with momentum (torch.optim.SGD) in one pass, with
// g = grad_scale grad + weight_decay param:
//   m = keep m + write g,  u = lookahead ? keep m + write g : m,  param = param - lr u
// torch: keep = momentum, write = 1 - dampening but 1 at the first step, lookahead = nesterov. An
// average of gradients that steps, as AM-MGD does (AM, arXiv 2510.04988), has write = 1 - keep.
// An output may be its own input.
struct SgdArgs {
  DType dtype;  // f64 or f32, of all.
  int64_t size;
  const void *param, *grad, *m;  // Without m, u = g: keep, write and lookahead say nothing.
  void *param_out, *m_out;
  double lr, keep = 0.0, write = 1.0, weight_decay = 0.0, grad_scale = 1.0;
  bool lookahead = false;
};
extern Kernel<void(const SgdArgs&)> sgd;

// The definition: one element after another, in f64.
void SgdReference(const SgdArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_SGD_H_
