#ifndef KERNELS_ALIGNED_H_
#define KERNELS_ALIGNED_H_

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/check.h"

namespace palimpsest {

struct FreeAligned {
  void operator()(void* data) const { std::free(data); }
};
template <typename T>
using AlignedArray = std::unique_ptr<T[], FreeAligned>;

// n numbers, not set, that begin where a cache line does: no vector of them lies in two.
template <typename T>
AlignedArray<T> AllocateAligned(int64_t n) {
  constexpr size_t kLine = 64;
  const size_t bytes = (n * sizeof(T) + kLine - 1) / kLine * kLine;
  T* data = static_cast<T*>(std::aligned_alloc(kLine, bytes));
  PALIMPSEST_CHECK(data != nullptr || bytes == 0) << "no memory for " << bytes << " bytes";
  return AlignedArray<T>(data);
}

}  // namespace palimpsest

#endif  // KERNELS_ALIGNED_H_
