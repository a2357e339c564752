#ifndef NN_SELF_MODIFYING_H_
#define NN_SELF_MODIFYING_H_

#include <memory>

#include "nn/mixer.h"

namespace palimpsest {

// Self-modifying Titans as a token mixer (Behrouz et al. 2025, "Nested Learning", section 8):
//   x of all boxes but x_v of v, and q, k, v where they are static = silu(conv(W h)) of each head,
//   q and k of unit length y = self-modifying memories over the tokens (see SelfModifyingScan) o =
//   W_o (RMSNorm(y) per head * silu(W_g h))
// State: "memory.i", the tensors of the memory's stack, and "boxes.i", of what makes its keys,
// values and gates where that has a chunk of its own; "memory_anchor.i", "boxes_anchor.i"; the
// convolutions' tails. `config` is resolved.
std::unique_ptr<Mixer> MakeSelfModifying(const ParamInit& init, const ModelConfig& model,
                                         const ModelConfig::SelfModifying& config);

}  // namespace palimpsest

#endif  // NN_SELF_MODIFYING_H_
