// The memory of HOPE's self-modifying Titans: delta gradient descent on a two-layer network
// (Behrouz et al. 2025, "Nested Learning", eq. 83-91),
//   D_t = D_{t-1} (keep_t - theta_t x_t x_t^T) - theta_t dLoss_t/dW at the chunk's start,
//   f(x) = x + W_2 s(W_1 x),   W = W_0 + D
// where x_t is what comes into each matrix. The paper's decay only fits a matrix that takes the
// key: `decay` says whether every layer decays along its own input (its eq. 57 for each), the first
// alone, or none (plain gradient descent). It reads before it writes. Its ablation names a momentum
// that no equation has: here S, off by default. And it has W for D, with which the memory dies; see
// titans_mlp.
#include "memory_rules/mlp_memory.h"

namespace palimpsest {
namespace {

enum class Decay { kEach, kFirst, kNone };

class HopeMlp : public MlpMemory {
 public:
  explicit HopeMlp(const RuleParams& params)
      : MlpMemory(params, Equation(params), "Nested Learning (Behrouz et al. 2025), eq. 83-91"),
        decay_(static_cast<Decay>(params.at("decay"))) {}

  bool erases(int weight) const override {
    return decay_ == Decay::kEach || (decay_ == Decay::kFirst && weight == 0);
  }

 private:
  static std::string Equation(const RuleParams& params) {
    const std::string plain = GradientEquation(params);
    return static_cast<Decay>(params.at("decay")) == Decay::kNone
               ? plain
               : plain + (GradientOptions(params).rest_at_first
                              ? ",  and D_t loses theta_t D_{t-1} x_t x_t^T"
                              : ",  and W_t loses theta_t W_{t-1} x_t x_t^T");
  }

  const Decay decay_;
};

std::vector<ParamSpec> Params() {
  std::vector<ParamSpec> specs = MlpParams();
  specs.push_back(
      Choice("decay", {"each", "first", "none"}, "the layers that decay along their input"));
  return WithDefaults(std::move(specs), {{"residual", 1}, {"momentum", 0}}, {{"read", "before"}});
}

PALIMPSEST_MEMORY_RULE_WITH("hope_mlp", HopeMlp, Params());

}  // namespace
}  // namespace palimpsest
