#include "nn/mup.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nn/config.h"

namespace palimpsest {

ParamRole RoleOf(const std::string& path, const Tensor& param) {
  if (path == "embedding.weight" || path == "positions.weight" ||
      absl::EndsWith(path, ".persistent"))
    return ParamRole::kInput;
  if (path == "head.weight") return ParamRole::kOutput;
  for (const char* narrow : {"_residual.beta.weight", "_residual.v.weight"})
    if (absl::EndsWith(path, narrow)) return ParamRole::kOutput;
  for (const char* along :
       {"conv.weight", "compressor.weight", "readout.weight", "beta_out.weight"})
    if (absl::EndsWith(path, along)) return ParamRole::kVector;
  return param.rank() == 2 ? ParamRole::kHidden : ParamRole::kVector;
}

double WidthMultiple(const ModelConfig& config) {
  if (config.mup_base_width() == 0) return 1.0;
  return static_cast<double>(config.width()) / static_cast<double>(config.mup_base_width());
}

absl::StatusOr<ModelConfig> AtWidth(const ModelConfig& config, int64_t width) {
  absl::StatusOr<ModelConfig> scaled = ResolveModelConfig(config);
  if (!scaled.ok()) return scaled;
  absl::Status status;
  const auto scale = [&](const char* field, int64_t size) {
    if (size * width % config.width() != 0)
      status.Update(absl::InvalidArgumentError(
          absl::StrCat("model.width ", width, ": the ", size, " ", field, " of width ",
                       config.width(), " do not grow to a whole number")));
    return size * width / config.width();
  };
  const auto scale_attention = [&](ModelConfig::Attention& a) {
    a.set_heads(scale("heads", a.heads()));
    a.set_kv_heads(scale("kv_heads", a.kv_heads()));
  };
  const auto scale_memory = [&](ModelConfig::Memory& m) {
    m.set_heads(scale("heads", m.heads()));
    m.set_value_heads(scale("value_heads", m.value_heads()));
  };
  const auto scale_mlp = [&](const ModelConfig::Mlp& given, ModelConfig::Mlp& mlp) {
    if (given.hidden() > 0) {
      mlp.set_hidden(scale("hidden", mlp.hidden()));
    } else {
      mlp.clear_hidden();
    }
  };
  scaled->set_width(width);
  for (int i = 0; i < scaled->block_size(); ++i) {
    ModelConfig::Block& block = *scaled->mutable_block(i);
    if (block.has_mlp()) scale_mlp(config.block(i).mlp(), *block.mutable_mlp());
    for (int l = 0; l < block.cms().level_size(); ++l)
      scale_mlp(config.block(i).cms().level(l).mlp(),
                *block.mutable_cms()->mutable_level(l)->mutable_mlp());
    if (block.has_attention()) scale_attention(*block.mutable_attention());
    if (block.has_memory()) scale_memory(*block.mutable_memory());
    if (block.has_self_modifying()) {
      ModelConfig::SelfModifying& s = *block.mutable_self_modifying();
      s.set_heads(scale("heads", s.heads()));
    }
    if (block.has_titans()) {
      scale_attention(*block.mutable_titans()->mutable_attention());
      scale_memory(*block.mutable_titans()->mutable_memory());
    }
  }
  if (!status.ok()) return status;
  return ResolveModelConfig(*scaled);
}

}  // namespace palimpsest
