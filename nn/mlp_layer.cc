#include "nn/mlp_layer.h"

#include <utility>

namespace palimpsest {
namespace {

class MlpLayer : public Mixer {
 public:
  explicit MlpLayer(Mlp mlp) : mlp_(std::move(mlp)) {}

  void ForEachParam(const std::string& path, ParamVisitor visit) override {
    mlp_.ForEachParam(path, visit);
  }
  NamedTensors InitState(int64_t) const override { return {}; }
  int64_t StateBytes(int64_t) const override { return 0; }
  MixerResult Forward(const MixerInput& in) const override { return {mlp_(in.x), {}}; }

 private:
  Mlp mlp_;
};

}  // namespace

std::unique_ptr<Mixer> MakeMlpLayer(const ParamInit& init, const ModelConfig& model,
                                    const ModelConfig::Mlp& config) {
  return std::make_unique<MlpLayer>(MakeMlp(init, config, model.width()));
}

}  // namespace palimpsest
