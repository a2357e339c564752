#ifndef NN_TITANS_H_
#define NN_TITANS_H_

#include <memory>

#include "nn/mixer.h"

namespace palimpsest {

// Attention to what is near and a memory of what is not (Behrouz et al. 2025, "Titans: Learning to
// Memorize at Test Time", eq. 21-31):
//   MAC  h = what the memory recalled of x at the segment's start; y = attention of x to the
//        persistent tokens, h and x of the segment; y is written and read; o = y (x) m
//   MAG  y = attention(x) within a window, m = memory(x); o = y (x) m
//   MAL  o = attention(norm(memory(x))) within a window
//   y (x) m = W (norm(y) * gate(norm(m)))
// In MAC the paper has all of h in front of x, where a token would see what later ones ask for;
// here it sees h up to its own. `config` is resolved. State: that of "attention" and "memory"; of
// MAC also "segment", the memory at its start, and the convolutions' tails of h ("recall",
// "context").
std::unique_ptr<Mixer> MakeTitans(const ParamInit& init, const ModelConfig& model,
                                  const ModelConfig::Titans& config);

}  // namespace palimpsest

#endif  // NN_TITANS_H_
