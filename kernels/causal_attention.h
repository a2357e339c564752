#ifndef KERNELS_CAUSAL_ATTENTION_H_
#define KERNELS_CAUSAL_ATTENTION_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// y = softmax(scale q k^T) v for each head, where query t, at position source - time + t, sees the
// keys up to its position that are less than `window` before it (all, if 0) and the first `prefix`.
// q [batch, time, heads, key], k [batch, source, kv_heads, key], v [batch, source, kv_heads,
// value], y [batch, time, heads, value]; lse [batch, heads, time], log of the sum of exponentials
// of the logits, in f32 for bf16.
struct CausalAttentionArgs {
  int64_t batch = 0, time = 0, source = 0;
  int64_t heads = 0, kv_heads = 0, key = 0, value = 0;
  double scale = 1.0;
  int64_t window = 0, prefix = 0;
  DType dtype = DType::kF32;
  const void *q = nullptr, *k = nullptr, *v = nullptr;
  void *y = nullptr, *lse = nullptr;
};

extern Kernel<void(const CausalAttentionArgs&)> causal_attention;

}  // namespace palimpsest

#endif  // KERNELS_CAUSAL_ATTENTION_H_
