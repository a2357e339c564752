#ifndef KERNELS_ROPE_H_
#define KERNELS_ROPE_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// Turns the pair (x_i, x_{i + dim/2}) of the token at position p = offset + t by p base^(-2i/dim),
// or back. x and y [batch, time, heads, dim].
struct RopeArgs {
  int64_t batch = 0, time = 0, heads = 0, dim = 0;
  int64_t offset = 0;
  double base = 10000.0;
  bool back = false;
  DType dtype = DType::kF32;
  const void* x = nullptr;
  void* y = nullptr;
};

extern Kernel<void(const RopeArgs&)> rope;

}  // namespace palimpsest

#endif  // KERNELS_ROPE_H_
