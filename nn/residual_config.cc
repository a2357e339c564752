#include <string>

#include "absl/strings/str_cat.h"
#include "nn/config_check.h"

namespace palimpsest {
namespace {

using Residual = ModelConfig::Residual;

constexpr int64_t kMaxChannels = 4096;

absl::Status CheckResidual(const std::string& path, const Residual& r) {
  ConfigCheck check(path);
  check.Size("channels", r.channels(), 1, kMaxChannels);
  check.Size("conv", r.conv());
  check.Size("beta_hidden", r.beta_hidden(), 0);
  check.Require(r.channels() == 1 || r.compressor() != Residual::NONE, "compressor",
                "NONE does not read ", r.channels(), " channels; those that do: TC, CC, CC_CONV");
  check.Require(r.beta_init() > 0.0 && r.beta_init() < 2.0, "beta_init", r.beta_init(),
                " is not between 0 and 2");
  check.Positive("v_scale", r.v_scale());
  check.Positive("k_eps", r.k_eps());
  return check.status();
}

}  // namespace

Residual ResidualOf(const ModelConfig& model, const ModelConfig::Block& block) {
  Residual residual = model.residual();
  residual.MergeFrom(block.residual());
  return residual;
}

absl::Status ResolveResiduals(ModelConfig& model) {
  if (model.residual().channels() > 1 && !model.residual().has_compressor())
    model.mutable_residual()->set_compressor(Residual::CC);
  if (absl::Status s = CheckResidual("model.residual", model.residual()); !s.ok()) return s;
  for (int i = 0; i < model.block_size(); ++i) {
    const Residual& own = model.block(i).residual();
    const std::string path = absl::StrCat("model.block.", i, ".residual");
    ConfigCheck check(path);
    const auto of_model = [&](const char* field, bool given, auto value, auto models) {
      check.Require(!given || value == models, field, value, " is not the model's, ", models,
                    ": it is of the whole model, at model.residual.", field);
    };
    of_model("channels", own.has_channels(), own.channels(), model.residual().channels());
    of_model("expand", own.has_expand(), own.expand(), model.residual().expand());
    if (!check.ok()) return check.status();
    if (absl::Status s = CheckResidual(path, ResidualOf(model, model.block(i))); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace palimpsest
