#ifndef NN_MLP_LAYER_H_
#define NN_MLP_LAYER_H_

#include <memory>

#include "nn/mixer.h"

namespace palimpsest {

// Mlp, token by token: a mixer without state. `config` is resolved, and not of kind NONE.
std::unique_ptr<Mixer> MakeMlpLayer(const ParamInit& init, const ModelConfig& model,
                                    const ModelConfig::Mlp& config);

}  // namespace palimpsest

#endif  // NN_MLP_LAYER_H_
