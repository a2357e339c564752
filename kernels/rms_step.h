#ifndef KERNELS_RMS_STEP_H_
#define KERNELS_RMS_STEP_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"
#include "core/scalar.h"

namespace palimpsest {

// A step by u, scaled by a second moment of x, in one pass:
//   v = keep_v v + write_v (x_scale x)^2
//   param = keep_param param - step u / (sqrt(v / (1 - keep_v^writes)) + eps)
// AdamW is an average of gradients and then this: u = m, x = grad. Not corrected: v is not divided.
// An output may be its own input; u may be x.
struct RmsStepArgs {
  DType dtype;  // f64 or f32, of all.
  int64_t size;
  const void *param, *u, *x, *v;
  void *param_out, *v_out;
  Scalar keep_param, step;
  double keep_v, write_v, x_scale = 1.0, eps;
  bool corrected = false;
  Scalar writes = 1.0;
};
extern Kernel<void(const RmsStepArgs&)> rms_step;

// The definition: one element after another, in f64.
void RmsStepReference(const RmsStepArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_RMS_STEP_H_
