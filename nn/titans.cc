#include "nn/titans.h"

#include <string>
#include <utility>

#include "core/op_scope.h"
#include "nn/titans_context.h"
#include "nn/titans_parts.h"

namespace palimpsest {
namespace {

// MAG and MAL: whole parts, side by side or one after the other.
class MemoryAndAttention : public Mixer {
 public:
  MemoryAndAttention(const ParamInit& init, const ModelConfig& model,
                     const ModelConfig::Titans& config)
      : gated_(config.kind() == ModelConfig::Titans::MAG), parts_(init, model, config) {}

  void ForEachParam(const std::string& path, ParamVisitor visit) override {
    parts_.ForEachParam(path, visit);
  }
  NamedTensors InitState(int64_t batch) const override { return parts_.InitState(batch); }
  int64_t StateBytes(int64_t time) const override {
    return parts_.attention.StateBytes(time) + parts_.memory.StateBytes(time);
  }

  MixerResult Forward(const MixerInput& in) const override {
    const OpScope scope("titans");
    NamedTensors state = in.state;
    const Tensor m = parts_.Memorize(in.x, in, state);
    const Tensor y = parts_.Attend(gated_ ? in.x : parts_.norm(m), in, state);
    return {gated_ ? parts_.product(y, m) : y, std::move(state)};
  }

 private:
  bool gated_;
  TitansParts parts_;
};

}  // namespace

std::unique_ptr<Mixer> MakeTitans(const ParamInit& init, const ModelConfig& model,
                                  const ModelConfig::Titans& config) {
  if (config.kind() == ModelConfig::Titans::MAC)
    return std::make_unique<MemoryAsContext>(init, model, config);
  return std::make_unique<MemoryAndAttention>(init, model, config);
}

}  // namespace palimpsest
