// Kimi Delta Attention: the gated delta rule with a keep factor for each key channel, M' = M_{t-1}
// diag(keep_t), M_t = M' - beta_t (M' k_t - v_t) k_t^T (Kimi Team 2025, "Kimi Linear").
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class Kda : public LinearMemory {
 public:
  explicit Kda(const RuleParams&) {}

  std::string equation() const override {
    return "M' = M_{t-1} diag(keep_t),  M_t = M' - beta_t (M' k_t - v_t) k_t^T";
  }
  std::string source() const override { return "Kimi Linear (Kimi Team 2025)"; }
  std::vector<GateSpec> gates() const override {
    return {KeepGate(GateScope::kKeyChannel),
            {.name = "beta",
             .kind = GateKind::kStrength01,
             .meaning = "how strongly a pair is written"}};
  }

  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor kept = Mul(KeepFactor(x.gates.at("log_keep")), state[0]);
    const Tensor error = Sub(MatMul(x.k, kept, {.b = true}), x.v);
    return {Sub(kept, Mul(Column(x.gates.at("beta")), MatMul(error, x.k, {.a = true})))};
  }

  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor &log_keep = x.gates.at("log_keep"), &beta = x.gates.at("beta");
    return {.log_keep = log_keep,
            .erase = {Mul(Exp(log_keep), x.k), beta},
            .write = {x.v, beta},
            .key = x.k};
  }
};

PALIMPSEST_MEMORY_RULE("kda", Kda);

}  // namespace
}  // namespace palimpsest
