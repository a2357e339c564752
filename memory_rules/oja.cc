// Oja's rule, M_t = keep_t M_{t-1} + eta_t v_t (k_t - M_{t-1}^T v_t)^T (Oja 1982; Behrouz et al.
// 2025, "Nested Learning", eq. 66-67): the delta rule for M^T, which learns the key from the value.
// The state is M^T.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class Oja : public LinearMemory {
 public:
  explicit Oja(const RuleParams&) {}

  std::string equation() const override {
    return "M_t = keep_t M_{t-1} + eta_t v_t (k_t - M_{t-1}^T v_t)^T";
  }
  std::string source() const override {
    return "Oja 1982; Nested Learning (Behrouz et al. 2025), eq. 66-67";
  }
  std::vector<GateSpec> gates() const override {
    return {KeepGate(),
            {.name = "eta", .kind = GateKind::kStrength01, .init = 0.1, .meaning = "step size"}};
  }
  bool transposed() const override { return true; }

  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor error = Sub(MatMul(x.v, state[0], {.b = true}), x.k);
    return {Sub(Mul(KeepFactor(x.gates.at("log_keep")), state[0]),
                Mul(Column(x.gates.at("eta")), MatMul(error, x.v, {.a = true})))};
  }

  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor& eta = x.gates.at("eta");
    return {
        .log_keep = x.gates.at("log_keep"), .erase = {x.v, eta}, .write = {x.k, eta}, .key = x.v};
  }
};

PALIMPSEST_MEMORY_RULE("oja", Oja);

}  // namespace
}  // namespace palimpsest
