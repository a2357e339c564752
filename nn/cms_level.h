#ifndef NN_CMS_LEVEL_H_
#define NN_CMS_LEVEL_H_

#include <memory>

#include "nn/mixer.h"

namespace palimpsest {

// Level `index` of a Continuum Memory System: see ModelConfig.Cms. Its tokens read weights that
// stay the same from one multiple of its period to the next, and sequences have weights of their
// own.
// State, by the names of the memory: "W1" [batch, out, in] and so on; "S1", the steps gathered for
// the next write; "tokens", their number; "updates", the writes since the stream began. Statistics:
// "updates"; where the call has written, "update_ratio", |write| / |weights|, averaged over writes
// and batch; "rate".
std::unique_ptr<Mixer> MakeCmsLevel(const ParamInit& init, const ModelConfig& model,
                                    const ModelConfig::Cms& config, int index);

}  // namespace palimpsest

#endif  // NN_CMS_LEVEL_H_
