// The delta rule: M_t = M_{t-1} - beta_t (M_{t-1} k_t - v_t) k_t^T (Widrow & Hoff 1960; Schlag et
// al. 2021; chunkwise: Yang et al. 2024, "Parallelizing Linear Transformers with the Delta Rule").
// Stable for beta_t |k_t|^2 in [0, 2].
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class Delta : public LinearMemory {
 public:
  explicit Delta(const RuleParams&) {}

  std::string equation() const override {
    return "M_t = M_{t-1} - beta_t (M_{t-1} k_t - v_t) k_t^T";
  }
  std::string source() const override {
    return "Widrow & Hoff 1960; DeltaNet (Schlag et al. 2021, Yang et al. 2024)";
  }
  std::vector<GateSpec> gates() const override {
    return {{.name = "beta",
             .kind = GateKind::kStrength01,
             .meaning = "how strongly a pair is written"}};
  }

  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor error = Sub(MatMul(x.k, state[0], {.b = true}), x.v);
    return {Sub(state[0], Mul(Column(x.gates.at("beta")), MatMul(error, x.k, {.a = true})))};
  }

  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor& beta = x.gates.at("beta");
    return {.erase = {x.k, beta}, .write = {x.v, beta}, .key = x.k};
  }
};

PALIMPSEST_MEMORY_RULE("delta", Delta);

}  // namespace
}  // namespace palimpsest
