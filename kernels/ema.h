#ifndef KERNELS_EMA_H_
#define KERNELS_EMA_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"
#include "core/scalar.h"

namespace palimpsest {

// One write to a memory with a single key, and what it then reads out, in one pass:
//   m = keep m + write g,  read = (lookahead ? keep m + write g : m) / (1 - keep^writes)
// Momentum, with g = grad_scale grad, as Muon's; and the weights themselves, without a read-out:
// keep = 1 - lr weight_decay, write = -lr. Not corrected: read is not divided. An output may be an
// input.
struct EmaArgs {
  DType dtype;  // f64 or f32, of all.
  int64_t size;
  const void *m, *grad;
  void *m_out, *read = nullptr;  // Not read out if null.
  Scalar keep, write;
  double grad_scale = 1.0;
  bool lookahead = false, corrected = false;
  Scalar writes = 1.0;
};
extern Kernel<void(const EmaArgs&)> ema;

// The definition: one element after another, in f64.
void EmaReference(const EmaArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_EMA_H_
