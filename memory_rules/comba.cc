// Comba, whose error reads the memory before it forgets, with a key p of its own: M_t = keep_t
// M_{t-1} - beta_t (M_{t-1} p_t - v_t) k_t^T (Hu et al. 2025, "Comba"). As its kernels compute it;
// a published reference that lets the memory forget before p reads it is another rule. p is used as
// it is given: normalising it would take away the factor that makes it differ from k.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class Comba : public LinearMemory {
 public:
  explicit Comba(const RuleParams&) {}

  std::string equation() const override {
    return "M_t = keep_t M_{t-1} - beta_t (M_{t-1} p_t - v_t) k_t^T";
  }
  std::string source() const override { return "Comba (Hu et al. 2025)"; }
  std::vector<GateSpec> gates() const override {
    return {KeepGate(),
            {.name = "beta",
             .kind = GateKind::kStrength01,
             .meaning = "how strongly a pair is written"},
            {.name = "p",
             .kind = GateKind::kKey,
             .scope = GateScope::kKeyChannel,
             .init = 0.9,
             .constant = true,
             .meaning = "the key the error is read with"}};
  }

  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor error = Sub(MatMul(x.gates.at("p"), state[0], {.b = true}), x.v);
    return {Sub(Mul(KeepFactor(x.gates.at("log_keep")), state[0]),
                Mul(Column(x.gates.at("beta")), MatMul(error, x.k, {.a = true})))};
  }

  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor& beta = x.gates.at("beta");
    return {.log_keep = x.gates.at("log_keep"),
            .erase = {x.gates.at("p"), beta},
            .write = {x.v, beta},
            .key = x.k};
  }
};

PALIMPSEST_MEMORY_RULE("comba", Comba);

}  // namespace
}  // namespace palimpsest
