// Momentum DeltaNet: the delta rule's error gathered in a momentum S before it is written (Huang et
// al. 2026, "MDN"),
//   S_t = mu_t S_{t-1} - eta_t (M_{t-1} p_t - v_t) k_t^T,   M_t = keep_t M_{t-1} + beta_t S_t, p_t
//   = keep_t k_t.
// S has the opposite sign of the paper's M. With mu 0 this is comba. By default the gates are
// coupled as in the published layer: with theta = arctan(eta factor), beta is scaled by sin^2 theta
// and keep by cos^2 theta, so that keep + beta <= 1; and the query is corrected, q <- q - d k, to
// unit length.
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/norm.h"

namespace palimpsest {
namespace {

class MomentumDelta : public LinearMemory {
 public:
  explicit MomentumDelta(const RuleParams& params)
      : coupled_(params.at("coupled") != 0.0),
        corrected_(params.at("corrected") != 0.0),
        keeps_p_(params.at("p_times_keep") != 0.0) {}

  std::string equation() const override {
    return std::string(
               "S_t = mu_t S_{t-1} - eta_t (M_{t-1} p_t - v_t) k_t^T,  "
               "M_t = keep_t M_{t-1} + beta_t S_t,  p_t = ") +
           (keeps_p_ ? "keep_t k_t" : "k_t");
  }
  std::string source() const override { return "Momentum DeltaNet (Huang et al. 2026)"; }
  std::vector<GateSpec> gates() const override {
    std::vector<GateSpec> specs = {
        KeepGate(),
        {.name = "log_mu",
         .kind = GateKind::kLogDecay,
         .init = 0.5,
         .meaning = "how much of the momentum S a token keeps"},
        {.name = "beta", .kind = GateKind::kStrength01, .meaning = "how much of S is written to M"},
        {.name = "eta",
         .kind = GateKind::kStrength02,
         .init = 1.0,
         .meaning = "how strongly an error enters S"}};
    if (coupled_)
      specs.push_back({.name = "factor",
                       .kind = GateKind::kPositive,
                       .init = 1.0,
                       .constant = true,
                       .meaning = "how strongly eta bounds keep and beta"});
    if (corrected_)
      specs.push_back({.name = "d",
                       .kind = GateKind::kPositive,
                       .init = 0.5,
                       .constant = true,
                       .meaning = "how much of the key is taken from the query"});
    return specs;
  }
  bool momentum() const override { return true; }

  Sequence Prepare(Sequence seq) const override {
    if (coupled_) {
      // sin^2 and cos^2 of arctan x.
      const Tensor x = Mul(seq.gates.at("eta"), seq.gates.at("factor")), square = Mul(x, x);
      const Tensor log_sum = Log(Add(square, 1.0));
      seq.gates["beta"] = Mul(seq.gates.at("beta"), Div(square, Add(square, 1.0)));
      seq.gates["log_keep"] = Sub(seq.gates.at("log_keep"), log_sum);
    }
    if (corrected_) seq.q = L2Normalize(Sub(seq.q, Mul(Column(seq.gates.at("d")), seq.k)));
    return seq;
  }

  State Step(const State& state, const State&, const Block& x) const override {
    const Tensor keep = KeepFactor(x.gates.at("log_keep"));
    const Tensor p = keeps_p_ ? Mul(keep, x.k) : x.k;
    const Tensor error = Sub(MatMul(p, state[0], {.b = true}), x.v);
    const Tensor s = Sub(Mul(KeepFactor(x.gates.at("log_mu")), state[1]),
                         Mul(Column(x.gates.at("eta")), MatMul(error, x.k, {.a = true})));
    return {Add(Mul(keep, state[0]), Mul(Column(x.gates.at("beta")), s)), s};
  }

  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor &log_keep = x.gates.at("log_keep"), &eta = x.gates.at("eta");
    return {.log_keep = log_keep,
            .log_eta = x.gates.at("log_mu"),
            .beta = x.gates.at("beta"),
            .erase = {x.k, keeps_p_ ? Mul(Exp(log_keep), eta) : eta},
            .write = {x.v, eta},
            .key = x.k};
  }

 private:
  const bool coupled_, corrected_, keeps_p_;
};

PALIMPSEST_MEMORY_RULE("momentum_delta", MomentumDelta,
                       Flag("coupled", true,
                            "1: keep and beta are bounded by eta, keep + beta <= 1"),
                       Flag("corrected", true, "1: queries are q - d k, to unit length"),
                       Flag("p_times_keep", true, "1: the error reads what the memory will keep"));

}  // namespace
}  // namespace palimpsest
