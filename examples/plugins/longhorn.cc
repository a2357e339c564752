// Longhorn (Liu et al. 2024, "Longhorn: State Space Models are Amortized Online Learners"): M_t is
// the minimum of |M - M_{t-1}|^2 + beta_t |M k_t - v_t|^2, a delta rule with an implicit step,
//   M_t = M_{t-1} - gain_t (M_{t-1} k_t - v_t) k_t^T,   gain_t = beta_t / (1 + beta_t |k_t|^2),
// stable for any beta_t > 0 and any k_t. The paper has a beta for each value channel, and in its
// models keeps only the diagonal of k k^T.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/ops.h"

namespace {
using namespace palimpsest;

class Longhorn : public LinearMemory {
 public:
  explicit Longhorn(const RuleParams&) {}
  std::string equation() const override {
    return "M_t = M_{t-1} - beta_t / (1 + beta_t |k_t|^2) (M_{t-1} k_t - v_t) k_t^T";
  }
  std::string source() const override { return "Longhorn (Liu et al. 2024)"; }
  std::vector<GateSpec> gates() const override {
    return {{.name = "beta", .kind = GateKind::kPositive, .init = 1.0}};
  }
  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor error = Sub(MatMul(x.k, state[0], {.b = true}), x.v), gain = Gain(x.gates, x.k);
    return {Sub(state[0], Mul(Column(gain), MatMul(error, x.k, {.a = true})))};
  }
  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor gain = Gain(x.gates, x.k);
    return {.erase = {x.k, gain}, .write = {x.v, gain}, .key = x.k};
  }

 private:
  static Tensor Gain(const Gates& gates, const Tensor& k) {
    const Tensor& beta = gates.at("beta");
    return Div(beta, Add(Mul(beta, Sum(Mul(k, k), {-1})), 1.0));
  }
};
PALIMPSEST_MEMORY_RULE("longhorn", Longhorn);
}  // namespace
