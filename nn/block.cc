#include "nn/block.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nn/attention.h"
#include "nn/memory_layer.h"
#include "nn/mlp_layer.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

std::unique_ptr<Mixer> MakeMixer(const ParamInit& init, const ModelConfig& model,
                                 const ModelConfig::Block& config) {
  switch (config.mixer_case()) {
    case ModelConfig::Block::kAttention: return MakeAttention(init, model, config.attention());
    case ModelConfig::Block::kMemory: return MakeMemoryLayer(init, model, config.memory());
    case ModelConfig::Block::MIXER_NOT_SET: break;
  }
  return nullptr;
}

std::unique_ptr<Mixer> MakeChannelMixer(const ParamInit& init, const ModelConfig& model,
                                        const ModelConfig::Block& config) {
  if (config.mlp().kind() == ModelConfig::Mlp::NONE) return nullptr;
  return MakeMlpLayer(init, model, config.mlp());
}

}  // namespace

Tensor Outlet::operator()(const Tensor& x, const std::string& path) const {
  if (options.observe) options.observe(path, x);
  if (options.dropout == nullptr || dropout == 0.0) return x;
  return Dropout(x, dropout, options.dropout->Fork(path));
}

ResidualBlock::ResidualBlock(const ParamInit& init, const ModelConfig& model,
                             const ModelConfig::Block& config)
    : path_(init.path) {
  Append(init, model, "mixer", MakeMixer(init.At("mixer"), model, config));
  Append(init, model, "mlp", MakeChannelMixer(init.At("mlp"), model, config));
}

void ResidualBlock::Append(const ParamInit& init, const ModelConfig& model, const char* name,
                           std::unique_ptr<Mixer> f) {
  if (f == nullptr) return;
  const NormLayer norm =
      MakeNorm(init.At(absl::StrCat(name, "_norm")), model.norm(), model.width(), model.norm_eps());
  sublayers_.push_back({absl::StrCat(path_, ".", name), norm, std::move(f)});
}

void ResidualBlock::ForEachParam(ParamVisitor visit) {
  for (Sublayer& part : sublayers_) {
    part.norm.ForEachParam(part.path + "_norm", visit);
    part.f->ForEachParam(part.path, visit);
  }
}

void ResidualBlock::InitState(int64_t batch, NamedTensors& state) const {
  for (const Sublayer& part : sublayers_) PutUnder(part.path, part.f->InitState(batch), state);
}

int64_t ResidualBlock::StateBytes(int64_t time) const {
  int64_t bytes = 0;
  for (const Sublayer& part : sublayers_) bytes += part.f->StateBytes(time);
  return bytes;
}

Tensor ResidualBlock::Forward(Tensor x, const BlockInput& in, NamedTensors& after) const {
  const Outlet out{in.options, in.dropout};
  for (const Sublayer& part : sublayers_) {
    StatisticSink statistics;
    if (in.options.statistics) {
      statistics = [&](const std::string& name, double value) {
        in.options.statistics(absl::StrCat(part.path, ".", name), value);
      };
    }
    const Tensor normed = part.norm(x);
    const NamedTensors before = Under(in.state, part.path);
    MixerResult result = part.f->Forward({normed, before, in.position, statistics});
    x = Add(x, out(result.y, part.path));
    PutUnder(part.path, std::move(result.state), after);
  }
  Outlet{in.options}(x, path_);
  return x;
}

}  // namespace palimpsest
