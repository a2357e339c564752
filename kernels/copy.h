#ifndef KERNELS_COPY_H_
#define KERNELS_COPY_H_

#include <cstdint>

#include "core/kernel.h"
#include "core/shape.h"

namespace palimpsest {

// to[sum_i index_i to_strides_i] = from[sum_i index_i from_strides_i] for each index below
// `extents`. Strides are in elements; a from_stride of 0 repeats. The axes go from the slowest of
// `to` to the fastest. No element is written twice.
struct CopyArgs {
  int64_t element = 0;  // Bytes: 1, 2, 4 or 8.
  Shape extents = {}, from_strides = {}, to_strides = {};
  const void* from = nullptr;
  void* to = nullptr;
};

extern Kernel<void(const CopyArgs&)> copy;

// Strides of a dense row-major tensor.
Shape DenseStrides(const Shape& shape);

}  // namespace palimpsest

#endif  // KERNELS_COPY_H_
