// Delta gradient descent on |M k - v|^2 / 2: each step also decays the memory along its key,
//   M_t = M_{t-1} (keep_t - eta_t k_t k_t^T) - eta_t (F k_t - v_t) k_t^T
// (Behrouz et al. 2025, "Nested Learning", eq. 88, 93), where the error is measured at F, the state
// at the chunk's start, or, with exact = 1, M_{t-1}. With objective dot the error is -v alone (eq.
// 92, whose printed sign descends the wrong way). Forgetting is added to the decay, keep - eta k
// k^T, not keep (1 - eta k k^T): stable for eta |k|^2 < 1 + keep, exact: 2 eta |k|^2.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class Dgd : public LinearMemory {
 public:
  explicit Dgd(const RuleParams& params)
      : exact_(params.at("exact") != 0.0), dot_(params.at("dot") != 0.0) {}

  std::string equation() const override {
    const std::string decay = "M_t = M_{t-1} (keep_t - eta_t k_t k_t^T) ";
    if (dot_) return decay + "+ eta_t v_t k_t^T";
    return decay + (exact_ ? "- eta_t (M_{t-1} k_t - v_t) k_t^T" : "- eta_t (F k_t - v_t) k_t^T");
  }
  std::string source() const override {
    return "Nested Learning (Behrouz et al. 2025), eq. 88, 92, 93";
  }
  std::vector<GateSpec> gates() const override {
    return {KeepGate(),
            {.name = "eta",
             .kind = GateKind::kStrength01,
             .meaning = "step size, of the error and of the decay along the key"}};
  }
  bool anchored() const override { return !exact_ && !dot_; }

  State Step(const State& state, const State& anchor, const Block& x) const override {
    const auto read = [&](const Tensor& m) { return MatMul(x.k, m, {.b = true}); };
    const Tensor error = dot_ ? Neg(x.v) : Sub(read(exact_ ? state[0] : anchor[0]), x.v);
    const Tensor written = MatMul(Add(read(state[0]), error), x.k, {.a = true});
    return {Sub(Mul(KeepFactor(x.gates.at("log_keep")), state[0]),
                Mul(Column(x.gates.at("eta")), written))};
  }

  LinearUpdate Update(const Rows& x, const State& anchor) const override {
    const Tensor& eta = x.gates.at("eta");
    LinearUpdate update{.log_keep = x.gates.at("log_keep"),
                        .erase = {x.k, exact_ && !dot_ ? Mul(eta, 2.0) : eta},
                        .write = {x.v, eta},
                        .key = x.k};
    if (anchored()) update.write.rows = Sub(x.v, MatMul(x.k, anchor[0], {.b = true}));
    return update;
  }

 private:
  const bool exact_, dot_;
};

PALIMPSEST_MEMORY_RULE("dgd", Dgd,
                       Flag("exact", false,
                            "1: the error is measured at the state before each token"),
                       Flag("dot", false, "1: the objective is -<M k, v>"));

}  // namespace
}  // namespace palimpsest
