// Gated DeltaNet-2: forgetting, erasing and writing each by channel, M' = M_{t-1} diag(keep_t), M_t
// = M' - (M' (b_t * k_t) - w_t * v_t) k_t^T, as its published kernels compute it. b = w = beta is
// kda.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class Gdn2 : public LinearMemory {
 public:
  explicit Gdn2(const RuleParams&) {}

  std::string equation() const override {
    return "M' = M_{t-1} diag(keep_t),  M_t = M' - (M' (b_t * k_t) - w_t * v_t) k_t^T";
  }
  std::string source() const override { return "Gated DeltaNet-2 (flash-linear-attention)"; }
  std::vector<GateSpec> gates() const override {
    return {KeepGate(GateScope::kKeyChannel),
            {.name = "b",
             .kind = GateKind::kStrength01,
             .scope = GateScope::kKeyChannel,
             .meaning = "how strongly the key erases"},
            {.name = "w",
             .kind = GateKind::kStrength01,
             .scope = GateScope::kValueChannel,
             .meaning = "how strongly the value is written"}};
  }

  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor kept = Mul(KeepFactor(x.gates.at("log_keep")), state[0]);
    const Tensor erased = MatMul(Mul(x.gates.at("b"), x.k), kept, {.b = true});
    const Tensor error = Sub(erased, Mul(x.gates.at("w"), x.v));
    return {Sub(kept, MatMul(error, x.k, {.a = true}))};
  }

  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor& log_keep = x.gates.at("log_keep");
    return {.log_keep = log_keep,
            .erase = {Mul(Mul(Exp(log_keep), x.gates.at("b")), x.k)},
            .write = {Mul(x.gates.at("w"), x.v)},
            .key = x.k};
  }
};

PALIMPSEST_MEMORY_RULE("gdn2", Gdn2);

}  // namespace
}  // namespace palimpsest
