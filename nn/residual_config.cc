#include <string>

#include "absl/strings/str_cat.h"
#include "nn/config_check.h"

namespace palimpsest {
namespace {

using Residual = ModelConfig::Residual;

constexpr int64_t kMaxChannels = 4096;

void FillIn(Residual& r) {
  if (!r.has_kind()) r.set_kind(Residual::ADD);
  if (!r.has_channels()) r.set_channels(1);
  if (!r.has_compressor()) r.set_compressor(r.channels() > 1 ? Residual::CC : Residual::NONE);
  if (!r.has_conv()) r.set_conv(4);
  if (!r.has_beta_init()) r.set_beta_init(1.0);
  if (!r.has_v_source()) r.set_v_source(Residual::CONTEXT);
  if (!r.has_v_act()) r.set_v_act(Residual::LINEAR);
  if (!r.has_v_scale()) r.set_v_scale(4.0);
  if (!r.has_k_eps()) r.set_k_eps(1e-5);
}

absl::Status CheckResidual(const std::string& path, const Residual& r) {
  ConfigCheck check(path);
  check.Size("channels", r.channels(), 1, kMaxChannels);
  check.Size("conv", r.conv(), 1, kMaxTaps);
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

// Set fields alone go before the model's: so the proto gives none a default, which a config as
// written down would have set.
Residual ResidualOf(const ModelConfig& model, const ModelConfig::Block& block) {
  Residual residual = model.residual();
  residual.MergeFrom(block.residual());
  FillIn(residual);
  return residual;
}

absl::Status ResolveResiduals(ModelConfig& model) {
  if (model.has_residual()) FillIn(*model.mutable_residual());
  const Residual shared = ResidualOf(model, {});
  if (absl::Status s = CheckResidual("model.residual", shared); !s.ok()) return s;
  for (int i = 0; i < model.block_size(); ++i) {
    const std::string path = absl::StrCat("model.block.", i, ".residual");
    const Residual residual = ResidualOf(model, model.block(i));
    ConfigCheck check(path);
    const auto of_model = [&](const char* field, auto value, auto models) {
      check.Require(value == models, field, value, " is not the model's, ", models,
                    ": it is of the whole model, at model.residual.", field);
    };
    of_model("channels", residual.channels(), shared.channels());
    of_model("expand", residual.expand(), shared.expand());
    if (!check.ok()) return check.status();
    if (absl::Status s = CheckResidual(path, residual); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace palimpsest
