#ifndef KERNELS_UPDATE_H_
#define KERNELS_UPDATE_H_

#include <cmath>
#include <cstdint>

#include "core/dtype.h"
#include "core/scalar.h"

namespace palimpsest {

// What optimizers' updates of one parameter have in common. An output may be its own input.
struct ParamUpdate {
  DType dtype;  // Of the gradient. The parameter and its state are f64 of f64, else f32.
  int64_t size;
  const void *param, *grad;
  void* param_out;
  // Of a bf16 gradient: the bf16 parameter, for which param is the master copy.
  void* low_out = nullptr;
  Scalar steps = 1.0;  // That changed something, this one included.
  // f64 [], where the tensors are, so that no one else has to wait for it. Gradients are multiplied
  // by it; where it is NaN, nothing changes: outputs are what the inputs were. nullptr: 1.
  const double* grad_scale = nullptr;
};

// For kernels that can read them.
inline double GradScale(const ParamUpdate& u) {
  return u.grad_scale == nullptr ? 1.0 : *u.grad_scale;
}
inline bool Skips(const ParamUpdate& u) { return std::isnan(GradScale(u)); }

}  // namespace palimpsest

#endif  // KERNELS_UPDATE_H_
