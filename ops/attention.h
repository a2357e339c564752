#ifndef OPS_ATTENTION_H_
#define OPS_ATTENTION_H_

#include <cstdint>

#include "core/tensor.h"

namespace palimpsest {

struct AttentionOptions {
  double scale = 0.0;  // Of the logits; 0: 1/sqrt(key).
  int64_t window = 0;  // A query sees itself and the window - 1 keys before it; 0: all before it.
  int64_t prefix = 0;  // The first `prefix` keys are seen by every query, window or not.
};

// Causal softmax attention. q [batch, time, heads, key]; k, v [batch, source, kv_heads, ...],
// source >= time, heads a multiple of kv_heads. The queries are the last `time` positions of the
// source, so a cache goes in front of k and v. -> [batch, time, heads, value]. Memory linear in
// time (Rabe & Staats 2021; Dao et al. 2022).
Tensor CausalAttention(const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionOptions& options = {});

}  // namespace palimpsest

#endif  // OPS_ATTENTION_H_
