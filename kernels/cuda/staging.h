#ifndef KERNELS_CUDA_STAGING_H_
#define KERNELS_CUDA_STAGING_H_

#include <cstdint>

#include "kernels/cuda/runtime.h"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// Copies pageable memory of the host to the device through pinned memory, in stream order: `from`
// may be reused when this returns, and nobody has waited for the device, unless it is more than the
// pinned memory behind.
void CopyToDevice(void* to, const void* from, int64_t bytes);

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CUDA_STAGING_H_
