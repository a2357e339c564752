#ifndef KERNELS_DEVICE_PHILOX_CUH_
#define KERNELS_DEVICE_PHILOX_CUH_

#include <cstdint>

namespace palimpsest::device {

struct Words4 {
  uint32_t at[4];
};

// Philox4x32-10 (Salmon et al. 2011) of (block, step) under a key: the words of core/random.h.
__device__ inline Words4 Philox(uint64_t block, uint64_t step, uint32_t key0, uint32_t key1) {
  constexpr uint32_t kA = 0xd2511f53u, kB = 0xcd9e8d57u;
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32),
           c2 = static_cast<uint32_t>(step), c3 = static_cast<uint32_t>(step >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t a_high = __umulhi(kA, c0), a_low = kA * c0, b_high = __umulhi(kB, c2),
                   b_low = kB * c2;
    c0 = b_high ^ c1 ^ key0, c1 = b_low, c2 = a_high ^ c3 ^ key1, c3 = a_low;
    key0 += 0x9e3779b9u, key1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_PHILOX_CUH_
