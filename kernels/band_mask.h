#ifndef KERNELS_BAND_MASK_H_
#define KERNELS_BAND_MASK_H_

#include <cstdint>

#include "core/kernel.h"

namespace palimpsest {

// to[i, j] = 1 where first <= j - i <= last, else 0. i32 [rows, columns].
struct BandMaskArgs {
  int64_t rows = 0, columns = 0, first = 0, last = 0;
  int32_t* to = nullptr;
};

extern Kernel<void(const BandMaskArgs&)> band_mask;

}  // namespace palimpsest

#endif  // KERNELS_BAND_MASK_H_
