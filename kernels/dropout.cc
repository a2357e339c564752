#include "kernels/dropout.h"

#include <algorithm>

#include "core/parallel.h"

namespace palimpsest {

constinit Kernel<void(const DropoutArgs&)> dropout("dropout");

namespace {

constexpr int kLanes = 16;          // Philox blocks side by side, in vector registers.
constexpr int kGroup = 4 * kLanes;  // Elements they decide on.
constexpr int64_t kGrainGroups = 256;

// Philox4x32-10 of the blocks first, first + 1, ...; words[4 l + w] is word w of the l-th.
void PhiloxLanes(uint64_t first, uint64_t step, std::array<uint32_t, 2> key, uint32_t* words) {
  uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    c0[l] = static_cast<uint32_t>(first + l), c1[l] = static_cast<uint32_t>((first + l) >> 32);
    c2[l] = static_cast<uint32_t>(step), c3[l] = static_cast<uint32_t>(step >> 32);
  }
  for (int round = 0; round < 10; ++round) {
    for (int l = 0; l < kLanes; ++l) {
      const uint64_t a = uint64_t{0xd2511f53u} * c0[l], b = uint64_t{0xcd9e8d57u} * c2[l];
      c0[l] = static_cast<uint32_t>(b >> 32) ^ c1[l] ^ key[0], c1[l] = static_cast<uint32_t>(b);
      c2[l] = static_cast<uint32_t>(a >> 32) ^ c3[l] ^ key[1], c3[l] = static_cast<uint32_t>(a);
    }
    key[0] += 0x9e3779b9u, key[1] += 0xbb67ae85u;
  }
  for (int l = 0; l < kLanes; ++l) {
    words[4 * l] = c0[l], words[4 * l + 1] = c1[l], words[4 * l + 2] = c2[l],
              words[4 * l + 3] = c3[l];
  }
}

void DropoutCpu(const DropoutArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    using A = Accumulator<T>;
    const T* x = static_cast<const T*>(args.x);
    T* y = static_cast<T*>(args.y);
    const A scale = static_cast<A>(args.scale);
    const uint64_t step =
        args.step_at == nullptr ? args.step : static_cast<uint64_t>(*args.step_at);
    ParallelFor((args.size + kGroup - 1) / kGroup, kGrainGroups, [&](int64_t begin, int64_t end) {
      alignas(64) uint32_t words[kGroup];
      for (int64_t group = begin; group < end; ++group) {
        PhiloxLanes(static_cast<uint64_t>(group) * kLanes, step, args.key, words);
        const int64_t at = group * kGroup, n = std::min<int64_t>(kGroup, args.size - at);
        for (int64_t i = 0; i < n; ++i) {
          const A kept = static_cast<A>(x[at + i]) * scale;
          y[at + i] = static_cast<T>(words[i] < args.threshold ? A(0) : kept);
        }
      }
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(dropout, kCpu, DropoutCpu);

}  // namespace
}  // namespace palimpsest
