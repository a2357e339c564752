// The gated Hebbian rule: M_t = M_{t-1} keep_t + beta_t v_t k_t^T. Linear attention with a decay
// that is one number (Katharopoulos et al. 2020; Sun et al. 2023, "RetNet") or one per key channel
// (Yang et al. 2024, "Gated Linear Attention"); with key size 1 and k = 1 an EMA of v.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class Hebbian : public LinearMemory {
 public:
  explicit Hebbian(const RuleParams& params) : per_channel_(params.at("per_channel") != 0.0) {}

  std::string equation() const override {
    return per_channel_ ? "M_t = M_{t-1} diag(keep_t) + beta_t v_t k_t^T"
                        : "M_t = keep_t M_{t-1} + beta_t v_t k_t^T";
  }
  std::string source() const override {
    return per_channel_ ? "Gated Linear Attention (Yang et al. 2024)"
                        : "linear attention (Katharopoulos et al. 2020), RetNet (Sun et al. 2023)";
  }
  std::vector<GateSpec> gates() const override {
    return {KeepGate(per_channel_ ? GateScope::kKeyChannel : GateScope::kHead),
            {.name = "beta",
             .kind = GateKind::kStrength01,
             .meaning = "how strongly a pair is written"}};
  }

  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor beta = Column(x.gates.at("beta"));
    return {Add(Mul(KeepFactor(x.gates.at("log_keep")), state[0]),
                Mul(beta, MatMul(x.v, x.k, {.a = true})))};
  }

  LinearUpdate Update(const Rows& x, const State&) const override {
    return {.log_keep = x.gates.at("log_keep"), .write = {x.v, x.gates.at("beta")}, .key = x.k};
  }

 private:
  const bool per_channel_;
};

PALIMPSEST_MEMORY_RULE("hebbian", Hebbian,
                       Flag("per_channel", false, "1: keep is one number per key channel"));

}  // namespace
}  // namespace palimpsest
