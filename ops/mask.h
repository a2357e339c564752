#ifndef OPS_MASK_H_
#define OPS_MASK_H_

#include <cstdint>

#include "core/tensor.h"

namespace palimpsest {

// i32 [rows, columns]: 1 where first <= column - row <= last, 0 elsewhere.
Tensor BandMask(int64_t rows, int64_t columns, int64_t first, int64_t last, Device device);

}  // namespace palimpsest

#endif  // OPS_MASK_H_
