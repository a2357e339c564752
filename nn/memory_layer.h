#ifndef NN_MEMORY_LAYER_H_
#define NN_MEMORY_LAYER_H_

#include <memory>

#include "nn/mixer.h"

namespace palimpsest {

// Fast weights as a token mixer, for any rule, from its gates alone:
//   q, k, v = silu(conv(W x)), q and k of unit length;  gates: see GateLayer
//   y = scan of the rule;  o = W_o (RMSNorm(y) per head * silu(W_g x))
// State: "memory.i", the rule's tensors [batch value_heads, ...]; "anchor.i", for an anchored rule,
// those of the chunk's start; the convolutions' tails. `config` is resolved, so its rule exists.
std::unique_ptr<Mixer> MakeMemoryLayer(const ParamInit& init, const ModelConfig& model,
                                       const ModelConfig::Memory& config);

}  // namespace palimpsest

#endif  // NN_MEMORY_LAYER_H_
