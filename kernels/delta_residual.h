#ifndef KERNELS_DELTA_RESIDUAL_H_
#define KERNELS_DELTA_RESIDUAL_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// Of each row, with k = direction r, r = 1 / sqrt(sum direction^2 + eps^2), for each channel j:
//   y_j = stream_j + beta (v_j - k . stream_j) k
// and without `erase` stream_j + beta v_j k. In f32 for bf16, where beta and v are f32 too.
struct DeltaResidualArgs {
  bool erase;
  double eps;
  DType dtype;
  int64_t rows, channels, width;
  const void* stream;     // [rows, channels, width]
  const void* direction;  // [rows, width]
  const void* beta;       // [rows]
  const void* v;          // [rows, channels]
  void* y;                // [rows, channels, width]
};
extern Kernel<void(const DeltaResidualArgs&)> delta_residual;

// With a_j = k . dy_j and e_j the error that was written (v_j without `erase`):
//   dv_j = beta a_j, dbeta = sum_j a_j e_j, dstream_j = dy_j - beta a_j k,
//   dk = beta sum_j (e_j dy_j - a_j stream_j), ddirection = r (dk - (k . dk) k)
// where the terms of what is erased are left out without `erase`.
struct DeltaResidualVjpArgs {
  DeltaResidualArgs forward;  // Its y is not used.
  const void* dy;
  void *dstream, *ddirection, *dbeta, *dv;
};
extern Kernel<void(const DeltaResidualVjpArgs&)> delta_residual_vjp;

}  // namespace palimpsest

#endif  // KERNELS_DELTA_RESIDUAL_H_
