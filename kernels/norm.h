#ifndef KERNELS_NORM_H_
#define KERNELS_NORM_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// Of each row of x [rows, n]: y = (x - mean) r weight + bias with r = 1 / sqrt(scale sum (x -
// mean)^2 + eps); bf16 in f32.
struct NormArgs {
  bool centered;  // Otherwise the mean is taken as 0.
  double scale;   // 1/n for a mean square, 1 for a length.
  double eps;
  DType dtype;
  int64_t rows, n;
  const void *x, *weight, *bias;  // Weight and bias [n] or null.
  void* y;
};
extern Kernel<void(const NormArgs&)> norm;

// With z = (x - mean) r and g = weight dy: dx = r (g - mean(g) - z scale sum(g z)), the mean if
// `forward` is centered; dweight = sum_rows dy z, dbias = sum_rows dy, where not null.
struct NormGradArgs {
  NormArgs forward;  // Its y is not used.
  const void* dy;
  void *dx, *dweight, *dbias;
};
extern Kernel<void(const NormGradArgs&)> norm_grad;

}  // namespace palimpsest

#endif  // KERNELS_NORM_H_
