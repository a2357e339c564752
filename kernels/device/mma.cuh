#ifndef KERNELS_DEVICE_MMA_CUH_
#define KERNELS_DEVICE_MMA_CUH_

#include <cstdint>

#include "kernels/device/bf16.cuh"

namespace palimpsest::device {

// Two neighbouring elements as a register.
__device__ inline uint32_t PairAt(const __nv_bfloat16* at) {
  return *reinterpret_cast<const uint32_t*>(at);
}

#ifdef __CUDACC__

// d += a b for a [16, 16], b [16, 8] and d [16, 8], by a warp. Lane l has, with g = l / 4 and
// t = l % 4: of a the pairs (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8), of b the pairs
// (2t, g), (2t + 8, g) down a column, of d the elements (g, 2t), (g, 2t + 1), (g + 8, 2t),
// (g + 8, 2t + 1).
__device__ inline void MmaM16N8K16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#else

inline void MmaM16N8K16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  struct Operands {
    uint32_t a[4], b[2];
  };
  const Operands* lanes = simulator::WarpExchange(Operands{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}});
  const auto half = [](uint32_t pair, int i) {
    return __uint_as_float(i == 0 ? pair << 16 : pair & 0xffff0000u);
  };
  const int lane = static_cast<int>(simulator::Lane()), group = lane / 4, pair = lane % 4;
  for (int k = 0; k < 16; ++k) {
    const int from = k % 8 / 2, upper = k / 8, bit = k % 2;
    for (int i = 0; i < 4; ++i) {
      const uint32_t left = lanes[4 * group + from].a[2 * upper + i / 2];
      const uint32_t right = lanes[4 * (2 * pair + i % 2) + from].b[upper];
      d[i] += half(left, bit) * half(right, bit);
    }
  }
}

#endif

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_MMA_CUH_
