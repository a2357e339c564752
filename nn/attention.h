#ifndef NN_ATTENTION_H_
#define NN_ATTENTION_H_

#include <memory>

#include "nn/mixer.h"

namespace palimpsest {

// Causal softmax attention: q, k, v, o projections without bias, optional short convolutions,
// RMSNorm of q and k, RoPE, sliding window, grouped keys and values (Ainslie et al. 2023). `config`
// is resolved. State: "k", "v" [batch, seen, kv_heads, key_dim], the last window - 1 tokens or,
// without a window, all; the convolutions' tails.
std::unique_ptr<Mixer> MakeAttention(const ParamInit& init, const ModelConfig& model,
                                     const ModelConfig::Attention& config);

}  // namespace palimpsest

#endif  // NN_ATTENTION_H_
