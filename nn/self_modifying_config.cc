#include <algorithm>

#include "nn/config_check.h"

namespace palimpsest {
namespace {

constexpr int64_t kDefaultChunk = 16;

bool Divides(int64_t a, int64_t b) { return a % b == 0 || b % a == 0; }

void CheckGates(const ModelConfig::SelfModifying& s, ConfigCheck& check) {
  check.Require(s.max_error() == 0.0 || (s.max_error() >= 1e-6 && s.max_error() <= 1e6),
                "max_error", s.max_error(), " is neither 0 nor between 1e-6 and 1e6");
  check.Positive("eta_max", s.eta_max());
  check.Require(s.eta_init() > 0.0 && s.eta_init() < s.eta_max(), "eta_init", s.eta_init(),
                " is not between 0 and eta_max ", s.eta_max());
  check.Require(s.keep_init() > 0.0 && s.keep_init() < 1.0, "keep_init", s.keep_init(),
                " is not between 0 and 1");
  check.Require(s.momentum_init() > 0.0 && s.momentum_init() < 1.0, "momentum_init",
                s.momentum_init(), " is not between 0 and 1");
}

// An exact error is read from a matrix that is known to none but the recurrence, by one row a
// token.
void CheckExact(const ModelConfig::SelfModifying& s, ConfigCheck& check) {
  using Config = ModelConfig::SelfModifying;
  if (s.error() != Config::EXACT) return;
  check.Require(s.structure() == Config::LINEAR, "error",
                "EXACT needs structure: LINEAR; of an MLP it is chunk: 1");
  check.Require(s.stop_gradient_target(), "error", "EXACT needs stop_gradient_target: true");
  check.Require(s.momentum() != Config::GRADIENT || s.rule() == Config::GD, "error",
                "EXACT with rule: DGD needs momentum: STEP or NONE, as the error would go through "
                "the momentum and what is erased past it");
}

}  // namespace

absl::Status ResolveSelfModifying(const std::string& path, int64_t width,
                                  ModelConfig::SelfModifying& s) {
  ConfigCheck check(path);
  ResolveHeads(check, width, s);
  check.Size("chunk", s.chunk(), 0);
  check.Size("box_chunk", s.box_chunk(), 0);
  check.Size("hidden", s.hidden(), 0);
  check.Size("conv", s.conv(), 0, kMaxTaps);
  CheckExact(s, check);
  if (!check.ok()) return check.status();
  if (s.chunk() == 0) s.set_chunk(kDefaultChunk);
  if (s.box_chunk() == 0) s.set_box_chunk(s.chunk());
  if (s.hidden() == 0) s.set_hidden(s.key_dim());
  check.Product("heads x hidden x key_dim", {s.heads(), s.hidden(), s.key_dim()});
  if (s.eta_max() == 0.0) {
    const int64_t longest = std::max(s.chunk(), s.box_chunk());
    s.set_eta_max(s.stop_gradient_target() ? 1.0 : 1.0 / static_cast<double>(longest));
  }
  if (s.eta_init() == 0.0) s.set_eta_init(0.3 * s.eta_max());
  CheckGates(s, check);
  check.Require(Divides(s.chunk(), s.box_chunk()), "box_chunk", s.box_chunk(),
                " is neither a multiple of chunk ", s.chunk(), " nor a part of it");
  return check.status();
}

}  // namespace palimpsest
