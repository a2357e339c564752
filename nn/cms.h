#ifndef NN_CMS_H_
#define NN_CMS_H_

#include <memory>

#include "nn/mixer.h"

namespace palimpsest {

// A Continuum Memory System in place of a block's MLP: see ModelConfig.Cms. Level i stands under
// "levels.i", in parameters, state and statistics. `config` is resolved.
std::unique_ptr<Mixer> MakeCms(const ParamInit& init, const ModelConfig& model,
                               const ModelConfig::Cms& config);

}  // namespace palimpsest

#endif  // NN_CMS_H_
