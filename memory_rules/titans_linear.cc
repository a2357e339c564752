// Titans' memory of one matrix (Behrouz et al. 2025, "Titans: Learning to Memorize at Test Time",
// eq. 8-18):
//   S_t = eta_t S_{t-1} - theta_t (F k_t - v_t) k_t^T,   M_t = keep_t M_{t-1} + S_t
// with the error measured at F, the state at the chunk's start (eq. 16-18), or, with exact = 1, at
// M_{t-1} (eq. 9). keep is the paper's 1 - alpha, and theta holds the 2 of its loss without the
// half.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class TitansLinear : public LinearMemory {
 public:
  explicit TitansLinear(const RuleParams& params)
      : exact_(params.at("exact") != 0.0), momentum_(params.at("momentum") != 0.0) {}

  std::string equation() const override {
    const std::string write =
        std::string("theta_t (") + (exact_ ? "M_{t-1}" : "F") + " k_t - v_t) k_t^T";
    return momentum_ ? "S_t = eta_t S_{t-1} - " + write + ",  M_t = keep_t M_{t-1} + S_t"
                     : "M_t = keep_t M_{t-1} - " + write;
  }
  std::string source() const override { return "Titans (Behrouz et al. 2025), eq. 8-18"; }
  std::vector<GateSpec> gates() const override {
    std::vector<GateSpec> specs = {KeepGate(),
                                   {.name = "theta",
                                    .kind = GateKind::kStrength01,
                                    .init = 0.05,
                                    .meaning = "step size of the inner gradient descent"}};
    if (momentum_)
      specs.push_back({.name = "log_eta",
                       .kind = GateKind::kLogDecay,
                       .init = 0.5,
                       .meaning = "how much of the momentum S a token keeps"});
    return specs;
  }
  bool momentum() const override { return momentum_; }
  bool anchored() const override { return !exact_; }

  State Step(const State& state, const State& anchor, const Block& x) const override {
    const Tensor error = Sub(MatMul(x.k, exact_ ? state[0] : anchor[0], {.b = true}), x.v);
    Tensor s = Neg(Mul(Column(x.gates.at("theta")), MatMul(error, x.k, {.a = true})));
    if (momentum_) s = Add(Mul(KeepFactor(x.gates.at("log_eta")), state[1]), s);
    State next = {Add(Mul(KeepFactor(x.gates.at("log_keep")), state[0]), s)};
    if (momentum_) next.push_back(std::move(s));
    return next;
  }

  LinearUpdate Update(const Rows& x, const State& anchor) const override {
    const Tensor& theta = x.gates.at("theta");
    LinearUpdate update{.log_keep = x.gates.at("log_keep"), .write = {x.v, theta}, .key = x.k};
    if (momentum_) update.log_eta = x.gates.at("log_eta");
    if (exact_) {
      update.erase = {x.k, theta};
    } else {
      update.write.rows = Sub(x.v, MatMul(x.k, anchor[0], {.b = true}));
    }
    return update;
  }

 private:
  const bool exact_, momentum_;
};

PALIMPSEST_MEMORY_RULE("titans_linear", TitansLinear,
                       Flag("exact", false,
                            "1: the error is measured at the state before each token"),
                       Flag("momentum", true, "0: without S"));

}  // namespace
}  // namespace palimpsest
