#ifndef CORE_FILL_H_
#define CORE_FILL_H_

#include <cstdint>

#include "core/kernel.h"

namespace palimpsest {

// Elements of 2, 4 or 8 bytes, each the lowest bytes of `bits`.
struct FillArgs {
  void* to;
  int64_t count, element_bytes;
  uint64_t bits;
};
extern constinit Kernel<void(const FillArgs&)> fill;

}  // namespace palimpsest

#endif  // CORE_FILL_H_
