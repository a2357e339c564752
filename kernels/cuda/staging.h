#ifndef KERNELS_CUDA_STAGING_H_
#define KERNELS_CUDA_STAGING_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cuda/runtime.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// Copies pageable memory of the host to the device through pinned memory, in stream order: `from`
// may be reused when this returns, and nobody has waited for the device, unless it is more than the
// pinned memory behind. While a graph is recorded, what it copies is kept for its replays.
void CopyToDevice(void* to, const void* from, int64_t bytes);

struct FreePinned {
  void operator()(char* data) const { PALIMPSEST_CUDA_CHECK(cudaFreeHost(data)); }
};
using KeptCopies = std::vector<std::unique_ptr<char, FreePinned>>;
// What the graph that is recorded copies from: it must live as long.
KeptCopies TakeKeptCopies();

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CUDA_STAGING_H_
