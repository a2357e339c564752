#include "nn/titans_parts.h"

#include <utility>

#include "ops/ops.h"

namespace palimpsest {
namespace {

Tensor RunPart(const Mixer& part, const std::string& name, const Tensor& x, const MixerInput& in,
               NamedTensors& state) {
  const NamedTensors before = Under(state, name);
  MixerResult result = part.Forward({x, before, in.position, Under(in.statistics, name)});
  PutUnder(name, std::move(result.state), state);
  return result.y;
}

}  // namespace

Tensor GatedProduct::operator()(const Tensor& y, const Tensor& m) const {
  const Tensor z = m_norm(m);
  return o(gate == ModelConfig::Titans::SILU ? SiluMul(z, y_norm(y)) : SigmoidMul(z, y_norm(y)));
}

void GatedProduct::ForEachParam(const std::string& path, ParamVisitor visit) {
  y_norm.ForEachParam(path + ".y_norm", visit);
  m_norm.ForEachParam(path + ".m_norm", visit);
  o.ForEachParam(path + ".o", visit);
}

TitansParts::TitansParts(const ParamInit& init, const ModelConfig& model,
                         const ModelConfig::Titans& config)
    : attention(init.At("attention"), model, config.attention()),
      memory(init.At("memory"), model, config.memory()) {
  const auto norm_at = [&](const char* name) {
    return MakeNorm(init.At(name), ModelConfig::RMS, model.width(), model.norm_eps());
  };
  if (config.kind() == ModelConfig::Titans::MAL) {
    norm = norm_at("norm");
    return;
  }
  product = {config.gate(), norm_at("y_norm"), norm_at("m_norm"),
             MakeLinear(init.At("o"), model.width(), model.width(), init.residual_stddev)};
}

void TitansParts::ForEachParam(const std::string& path, ParamVisitor visit) {
  attention.ForEachParam(path + ".attention", visit);
  memory.ForEachParam(path + ".memory", visit);
  product.ForEachParam(path, visit);
  norm.ForEachParam(path + ".norm", visit);
}

NamedTensors TitansParts::InitState(int64_t batch) const {
  NamedTensors state;
  PutUnder("attention", attention.InitState(batch), state);
  PutUnder("memory", memory.InitState(batch), state);
  return state;
}

Tensor TitansParts::Attend(const Tensor& x, const MixerInput& in, NamedTensors& state) const {
  return RunPart(attention, "attention", x, in, state);
}

Tensor TitansParts::Memorize(const Tensor& x, const MixerInput& in, NamedTensors& state) const {
  return RunPart(memory, "memory", x, in, state);
}

}  // namespace palimpsest
