// The gated delta rule, forgetting first: M' = keep_t M_{t-1}, M_t = M' - beta_t (M' k_t - v_t)
// k_t^T (Yang et al. 2024, "Gated Delta Networks").
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class GatedDelta : public LinearMemory {
 public:
  explicit GatedDelta(const RuleParams&) {}

  std::string equation() const override {
    return "M' = keep_t M_{t-1},  M_t = M' - beta_t (M' k_t - v_t) k_t^T";
  }
  std::string source() const override { return "Gated DeltaNet (Yang et al. 2024)"; }
  std::vector<GateSpec> gates() const override {
    return {KeepGate(),
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
            .erase = {x.k, Mul(Exp(log_keep), beta)},
            .write = {x.v, beta},
            .key = x.k};
  }
};

PALIMPSEST_MEMORY_RULE("gated_delta", GatedDelta);

}  // namespace
}  // namespace palimpsest
