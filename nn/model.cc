#include "nn/model.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/op_scope.h"
#include "nn/block.h"
#include "nn/config.h"
#include "nn/config_check.h"
#include "nn/mup.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

constexpr char kPosition[] = "position";

Tensor PositionTensor(int64_t position) { return Tensor::From<int64_t>({}, {position}); }

class BlockModel : public LanguageModel {
 public:
  BlockModel(ModelConfig config, const ParamInit& init) : config_(std::move(config)) {
    const int64_t width = config_.width(), vocab = config_.vocab_size();
    const double stddev = config_.init_std();
    embedding_ = MakeEmbedding(init.At("embedding"), vocab, width, stddev);
    if (config_.learned_positions() > 0) {
      positions_ = MakeEmbedding(init.At("positions"), config_.learned_positions(), width, stddev);
    }
    for (int64_t i = 0; i < config_.layers(); ++i) {
      const auto& block = config_.block(static_cast<int>(i % config_.block_size()));
      blocks_.emplace_back(init.At(absl::StrCat("blocks.", i)), config_, block);
    }
    const ModelConfig::Residual residual = ResidualOf(config_);
    expansion_ = MakeExpansion(init.At("expansion"), width, residual);
    readout_ = MakeCompressor(init.At("readout"), width, residual);
    norm_ = MakeNorm(init.At("norm"), config_.norm(), width, config_.norm_eps());
    const double head_stddev = config_.zero_init_head() ? 0.0 : stddev;
    if (!config_.tie_embeddings()) head_ = MakeLinear(init.At("head"), width, vocab, head_stddev);
  }

  const ModelConfig& config() const override { return config_; }

  void ForEachParam(ParamVisitor visit) override {
    embedding_.ForEachParam("embedding", visit);
    positions_.ForEachParam("positions", visit);
    expansion_.ForEachParam("expansion", visit);
    for (ResidualBlock& block : blocks_) block.ForEachParam(visit);
    readout_.ForEachParam("readout", visit);
    norm_.ForEachParam("norm", visit);
    head_.ForEachParam("head", visit);
  }

  NamedTensors InitState(int64_t batch) const override {
    NamedTensors state = InitTails(batch);
    state[kPosition] = PositionTensor(0);
    for (const ResidualBlock& block : blocks_) block.InitState(batch, state);
    return state;
  }

  int64_t StateBytes(int64_t time) const override {
    int64_t bytes = TotalBytes(InitTails(1));
    for (const ResidualBlock& block : blocks_) bytes += block.StateBytes(time);
    return bytes;
  }

  ForwardResult Forward(const Tensor& tokens, const ForwardOptions& options) const override {
    const OpScope scope("model");
    PALIMPSEST_CHECK(tokens.rank() == 2) << "tokens " << tokens << " are not [batch, time]";
    const NamedTensors fresh = options.state.empty() ? InitState(tokens.dim(0)) : NamedTensors();
    const NamedTensors& before = options.state.empty() ? fresh : options.state;
    const auto position = static_cast<int64_t>(Carried(before, kPosition).Item());

    ForwardResult result;
    const BlockInput in{before, position, options, config_.dropout()};
    Tensor x = Embed(tokens, position);
    x = Outlet{options, config_.embedding_dropout()}(x, "embedding");
    x = expansion_.Expand(x, "expansion", before, result.state);
    for (const ResidualBlock& block : blocks_) x = block.Forward(x, in, result.state);
    x = readout_.Read(x, "readout", before, result.state);
    x = Outlet{options}(norm_(x), "norm");
    if (const double multiple = WidthMultiple(config_); multiple != 1.0) x = Mul(x, 1.0 / multiple);
    x = MatMul(x, config_.tie_embeddings() ? embedding_.weight : head_.weight, {.b = true});
    result.logits = Outlet{options}(x, "logits");
    result.state[kPosition] = PositionTensor(position + tokens.dim(1));
    return result;
  }

 private:
  // Of what stands before and after the blocks.
  NamedTensors InitTails(int64_t batch) const {
    NamedTensors state;
    expansion_.InitState("expansion", batch, state);
    readout_.InitState("readout", batch, state);
    return state;
  }

  Tensor Embed(const Tensor& tokens, int64_t position) const {
    const Tensor x = embedding_(tokens);
    if (!positions_.weight) return x;
    const int64_t end = position + tokens.dim(1);
    PALIMPSEST_CHECK(end <= config_.learned_positions())
        << "token " << end << " of a model with learned_positions: " << config_.learned_positions();
    return Add(x, Slice(positions_.weight, 0, position, end));
  }

  ModelConfig config_;
  Embedding embedding_, positions_;
  Expansion expansion_;
  std::vector<ResidualBlock> blocks_;
  Compressor readout_;
  NormLayer norm_;
  Linear head_;
};

}  // namespace

namespace {

absl::StatusOr<std::unique_ptr<LanguageModel>> Build(const ModelConfig& config, ParamInit init) {
  absl::StatusOr<ModelConfig> resolved = ResolveModelConfig(config);
  if (!resolved.ok()) return resolved.status();
  init.stddev = config.init_std() / std::sqrt(WidthMultiple(config));
  init.residual_stddev =
      config.scale_residual_init()
          ? init.stddev / std::sqrt(2.0 * static_cast<double>(resolved->layers()))
          : init.stddev;
  return std::make_unique<BlockModel>(*std::move(resolved), init);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LanguageModel>> LanguageModel::Create(const ModelConfig& config,
                                                                     const RandomStream& init,
                                                                     DType dtype, Device device) {
  return Build(config, {.stream = init, .dtype = dtype, .device = device});
}

absl::StatusOr<std::unique_ptr<LanguageModel>> LanguageModel::CreateUninitialized(
    const ModelConfig& config, DType dtype, Device device) {
  return Build(
      config,
      {.stream = RandomStream(0, "none"), .dtype = dtype, .device = device, .uninitialized = true});
}

NamedTensors Params(LanguageModel& model) {
  NamedTensors params;
  model.ForEachParam([&](const std::string& path, Tensor& param) { params[path] = param; });
  return params;
}

int64_t NumParams(LanguageModel& model) {
  int64_t count = 0;
  model.ForEachParam([&](const std::string&, Tensor& param) { count += param.size(); });
  return count;
}

int64_t StateBytes(const LanguageModel& model, int64_t time) { return model.StateBytes(time); }

}  // namespace palimpsest
