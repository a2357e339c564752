#ifndef OPS_DELTA_RESIDUAL_H_
#define OPS_DELTA_RESIDUAL_H_

#include "core/tensor.h"

namespace palimpsest {

struct DeltaResidualOptions {
  // False: only written to, stream + beta v k^T.
  bool erase = true;
  double eps = 1e-5;
};

// A step of the delta rule on what a network's layers pass on (Zhang et al. 2026, "Deep Delta
// Learning"), with k = direction / sqrt(|direction|^2 + eps^2):
//   stream (I - beta k k^T) + beta v k^T
// stream [..., channels, width], direction [..., width], beta [...], v [..., channels]; beta and v
// are f32 where the others are bf16. The shortcut's eigenvalues are 1 and, along k, 1 - beta.
Tensor DeltaResidual(const Tensor& stream, const Tensor& direction, const Tensor& beta,
                     const Tensor& v, const DeltaResidualOptions& options = {});

}  // namespace palimpsest

#endif  // OPS_DELTA_RESIDUAL_H_
