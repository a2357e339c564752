#ifndef KERNELS_CAUSAL_ATTENTION_LAUNCH_H_
#define KERNELS_CAUSAL_ATTENTION_LAUNCH_H_

#include "kernels/causal_attention.h"
#include "kernels/cuda/dispatch.h"
#include "kernels/device/attention.cuh"
#include "kernels/device/shared.cuh"

namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// The problem, in the largest tiles of which numbers(tile) elements N fit into shared memory.
template <typename N, typename Numbers>
device::Attention AttentionOf(const CausalAttentionArgs& args, Numbers numbers) {
  int tile = device::kMaxAttentionTile;
  while (tile > 1 && numbers(tile) * sizeof(N) > device::kMaxShared) tile /= 2;
  PALIMPSEST_CHECK(numbers(tile) * sizeof(N) <= device::kMaxShared)
      << "heads of keys of " << args.key << " and values of " << args.value
      << " are too large for CUDA";
  return {.batch = args.batch,
          .time = args.time,
          .source = args.source,
          .heads = static_cast<int>(args.heads),
          .kv_heads = static_cast<int>(args.kv_heads),
          .key = static_cast<int>(args.key),
          .value = static_cast<int>(args.value),
          .scale = args.scale,
          .window = args.window,
          .prefix = args.prefix,
          .tile = tile};
}

// A block each.
inline int64_t Tiles(int64_t rows, const device::Attention& a) { return CeilDiv(rows, a.tile); }

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CAUSAL_ATTENTION_LAUNCH_H_
