#ifndef KERNELS_DROPOUT_H_
#define KERNELS_DROPOUT_H_

#include <array>
#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// y[i] = 0 where word i % 4 of Philox({i / 4, step}, key) is below `threshold`, else scale x[i].
struct DropoutArgs {
  int64_t size = 0;
  std::array<uint32_t, 2> key = {};
  uint64_t step = 0;
  uint32_t threshold = 0;
  double scale = 1.0;
  DType dtype = DType::kF32;
  const void* x = nullptr;
  void* y = nullptr;
  const int64_t* step_at = nullptr;  // Where the tensors are: stands for `step`; nullptr: does not.
};

extern Kernel<void(const DropoutArgs&)> dropout;

}  // namespace palimpsest

#endif  // KERNELS_DROPOUT_H_
