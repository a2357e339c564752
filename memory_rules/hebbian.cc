// The gated Hebbian rule: M_t = keep_t M_{t-1} + beta_t v_t k_t^T. Linear attention with a scalar
// decay (Katharopoulos et al. 2020; Sun et al. 2023, "RetNet"); with key size 1 and k = 1 an EMA of
// v.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class Hebbian : public LinearMemory {
 public:
  explicit Hebbian(const RuleParams&) {}

  std::string equation() const override { return "M_t = keep_t M_{t-1} + beta_t v_t k_t^T"; }
  std::vector<GateSpec> gates() const override {
    return {{.name = "log_keep", .kind = GateKind::kLogDecay, .init = 0.99},
            {.name = "beta", .kind = GateKind::kStrength01}};
  }

  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor keep = Column(Exp(x.gates.at("log_keep"))), beta = Column(x.gates.at("beta"));
    return {Add(Mul(keep, state[0]), Mul(beta, MatMul(x.v, x.k, {.a = true})))};
  }

  LinearUpdate Update(const Rows& x, const State&) const override {
    return {.log_keep = x.gates.at("log_keep"), .write = {x.v, x.gates.at("beta")}, .key = x.k};
  }
};

PALIMPSEST_MEMORY_RULE("hebbian", Hebbian);

}  // namespace
}  // namespace palimpsest
