#ifndef KERNELS_COPY_AXES_H_
#define KERNELS_COPY_AXES_H_

#include <cstddef>
#include <cstdint>

#include "kernels/copy.h"

namespace palimpsest {

struct CopyAxis {
  int64_t extent, from, to;
};
using CopyAxes = absl::InlinedVector<CopyAxis, 6>;

// The same copy with as few axes as possible, in bytes and elements as wide as possible.
CopyAxes Collapse(const CopyArgs& args, int64_t* element);

// The axis along which neighbours in `from` are closest.
size_t FastestOfFrom(const CopyAxes& axes);

}  // namespace palimpsest

#endif  // KERNELS_COPY_AXES_H_
