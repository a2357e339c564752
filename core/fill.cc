#include "core/fill.h"

#include <algorithm>

namespace palimpsest {

constinit Kernel<void(const FillArgs&)> fill("fill");

namespace {

template <typename T>
void Fill(const FillArgs& args) {
  std::fill_n(static_cast<T*>(args.to), args.count, static_cast<T>(args.bits));
}

void FillCpu(const FillArgs& args) {
  switch (args.element_bytes) {
    case 8: return Fill<uint64_t>(args);
    case 4: return Fill<uint32_t>(args);
    default: return Fill<uint16_t>(args);
  }
}

PALIMPSEST_REGISTER_KERNEL(fill, kCpu, FillCpu);

}  // namespace
}  // namespace palimpsest
