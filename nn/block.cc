#include "nn/block.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nn/attention.h"
#include "nn/cms.h"
#include "nn/config_check.h"
#include "nn/memory_layer.h"
#include "nn/mlp_layer.h"
#include "nn/self_modifying.h"
#include "nn/statistics.h"
#include "nn/titans.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

std::unique_ptr<Mixer> MakeMixer(const ParamInit& init, const ModelConfig& model,
                                 const ModelConfig::Block& config) {
  switch (config.mixer_case()) {
    case ModelConfig::Block::kAttention:
      return std::make_unique<Attention>(init, model, config.attention());
    case ModelConfig::Block::kMemory:
      return std::make_unique<MemoryLayer>(init, model, config.memory());
    case ModelConfig::Block::kTitans: return MakeTitans(init, model, config.titans());
    case ModelConfig::Block::kSelfModifying:
      return MakeSelfModifying(init, model, config.self_modifying());
    case ModelConfig::Block::MIXER_NOT_SET: break;
  }
  return nullptr;
}

std::unique_ptr<Mixer> MakeChannelMixer(const ParamInit& init, const ModelConfig& model,
                                        const ModelConfig::Block& config) {
  if (config.has_cms()) return MakeCms(init, model, config.cms());
  if (config.mlp().kind() == ModelConfig::Mlp::NONE) return nullptr;
  return MakeMlpLayer(init, model, config.mlp());
}

}  // namespace

Tensor Outlet::operator()(const Tensor& x, const std::string& path) const {
  if (options.observe) options.observe(path, x);
  if (options.dropout == nullptr || dropout == 0.0) return x;
  return Dropout(x, dropout, options.dropout->Fork(path), options.dropout_step);
}

ResidualBlock::ResidualBlock(const ParamInit& init, const ModelConfig& model,
                             const ModelConfig::Block& config)
    : path_(init.path) {
  const ModelConfig::Residual residual = ResidualOf(model, config);
  compressor_ = MakeCompressor(init.At("compressor"), model.width(), residual);
  Append(init, model, residual, "mixer", MakeMixer(init.At("mixer"), model, config));
  Append(init, model, residual, "mlp", MakeChannelMixer(init.At("mlp"), model, config));
}

void ResidualBlock::Append(const ParamInit& init, const ModelConfig& model,
                           const ModelConfig::Residual& residual, const char* name,
                           std::unique_ptr<Mixer> f) {
  if (f == nullptr) return;
  const NormLayer norm =
      MakeNorm(init.At(absl::StrCat(name, "_norm")), model.norm(), model.width(), model.norm_eps());
  sublayers_.push_back({absl::StrCat(path_, ".", name), norm, std::move(f),
                        MakeResidual(init.At(absl::StrCat(name, "_residual")), model, residual)});
}

void ResidualBlock::ForEachParam(ParamVisitor visit) {
  compressor_.ForEachParam(path_ + ".compressor", visit);
  for (Sublayer& part : sublayers_) {
    part.norm.ForEachParam(part.path + "_norm", visit);
    part.f->ForEachParam(part.path, visit);
    part.residual->ForEachParam(part.path + "_residual", visit);
  }
}

void ResidualBlock::InitState(int64_t batch, NamedTensors& state) const {
  for (const Sublayer& part : sublayers_) {
    PutUnder(part.path, part.f->InitState(batch), state);
    compressor_.InitState(part.path + "_compressor", batch, state);
  }
}

int64_t ResidualBlock::StateBytes(int64_t time) const {
  int64_t bytes = 0;
  for (const Sublayer& part : sublayers_) {
    NamedTensors tails;
    compressor_.InitState("", 1, tails);
    bytes += part.f->StateBytes(time) + TotalBytes(tails);
  }
  return bytes;
}

Tensor ResidualBlock::Forward(Tensor stream, const BlockInput& in, NamedTensors& after) const {
  const Outlet out{in.options, in.dropout};
  const StatisticSink& sink = in.options.statistics;
  for (const Sublayer& part : sublayers_) {
    const Tensor x = compressor_.Read(stream, part.path + "_compressor", in.state, after);
    const Tensor context = part.norm(x);
    const NamedTensors before = Under(in.state, part.path);
    MixerResult result = part.f->Forward({context, before, in.position, Under(sink, part.path)});
    const Tensor h = out(result.y, part.path);
    stream = part.residual->Write({stream, x, context, h, Under(sink, part.path + "_residual")});
    PutUnder(part.path, std::move(result.state), after);
  }
  if (sink) sink(path_ + ".stream_norm", MeanNorm(stream, stream.rank() - 2));
  Outlet{in.options}(stream, path_);
  return stream;
}

}  // namespace palimpsest
