// Titans' online gradient descent (Behrouz et al. 2025, "Titans") on a bilinear network,
//   f(x) = W_3 ((W_1 x) * (W_2 x)),
// which is a quadratic form of the key for each value channel, made of `rank` products (Pearce et
// al. 2024, "Bilinear MLPs enable weight-based mechanistic interpretability"):
//   S_t = eta_t S_{t-1} - theta_t d|f(k_t) - v_t|^2/2 / dW (anchor),   W_t = keep_t W_{t-1} + S_t.
// It can tell apart keys that no linear memory can, and what it has learnt can be read off: channel
// i of the value is k^T B_i k, B_i = W_1^T diag(W_3's row i) W_2.
#include <cmath>

#include "memory_rules/gradient_memory.h"
#include "memory_rules/mlp_memory.h"
#include "ops/ops.h"

namespace {
using namespace palimpsest;

class Bilinear : public GradientMemory {
 public:
  explicit Bilinear(const RuleParams& params)
      : GradientMemory(GradientOptions(params)),
        equation_(GradientEquation(params)),
        rank_(params.at("rank")) {}
  std::string equation() const override { return equation_ + ",  f(x) = W_3 ((W_1 x) * (W_2 x))"; }
  std::string source() const override {
    return "Bilinear MLPs (Pearce et al. 2024) under Titans' update (Behrouz et al. 2025)";
  }
  int num_weights() const override { return 3; }
  Tensor Forward(const Weights& w, const Tensor& x) const override {
    return w.Apply(2, Mul(w.Apply(0, x), w.Apply(1, x)));
  }
  // W_3 starts at zero, so that a fresh memory adds nothing.
  Tensors InitWeights(const MemoryDims& d, DType dtype, const RandomStream& s) const override {
    const auto rank = std::max<int64_t>(1, std::llround(rank_ * static_cast<double>(d.key)));
    const auto draw = [&](uint64_t i) {
      const double scale = 1.0 / std::sqrt(static_cast<double>(d.key));
      return BroadcastTo(RandomNormal({1, rank, d.key}, s.Fork(i), dtype, scale),
                         {d.batch, rank, d.key});
    };
    return {draw(0), draw(1), Tensor::Full({d.batch, d.value, rank}, 0.0, dtype)};
  }

 private:
  const std::string equation_;
  const double rank_;
};

std::vector<ParamSpec> Params() {
  std::vector<ParamSpec> params = GradientParams();
  params.push_back({"rank", 2, 0, 64, false, "products a value is made of, as a multiple of key"});
  return params;
}
PALIMPSEST_MEMORY_RULE_WITH("bilinear", Bilinear, Params());
}  // namespace
