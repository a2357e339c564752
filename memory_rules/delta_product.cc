// DeltaProduct: a token forgets once, then writes n pairs by the delta rule, one after the other,
// so that its transition is a product of n reflections (Siems et al. 2025, "DeltaProduct").
#include "memory_rules/linear_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

class DeltaProduct : public LinearMemory {
 public:
  explicit DeltaProduct(const RuleParams& params) : n_(static_cast<int64_t>(params.at("n"))) {}

  std::string equation() const override {
    return "M' = keep_t M_{t-1},  M_t = M' after M' <- M' - beta_ti (M' k_ti - v_ti) k_ti^T, i = "
           "1..n";
  }
  std::string source() const override { return "DeltaProduct (Siems et al. 2025)"; }
  std::vector<GateSpec> gates() const override {
    return {{.name = "log_keep",
             .kind = GateKind::kLogDecay,
             .init = 0.99,
             .per_token = true,
             .meaning = "how much of the memory a token keeps"},
            {.name = "beta",
             .kind = GateKind::kStrength02,
             .init = 1.0,
             .meaning = "how strongly a pair is written"}};
  }
  int64_t pairs() const override { return n_; }

  State Step(const State& state, const State&, const Block& x) const override {
    Tensor m = Mul(KeepFactor(x.gates.at("log_keep")), state[0]);
    for (int64_t i = 0; i < x.k.dim(1); ++i) {
      const auto at = [&](const Tensor& rows) { return Slice(rows, 1, i, i + 1); };
      const Tensor error = Sub(MatMul(at(x.k), m, {.b = true}), at(x.v));
      m = Sub(m, Mul(Column(at(x.gates.at("beta"))), MatMul(error, at(x.k), {.a = true})));
    }
    return {m};
  }

  // The first pair of a token forgets for all of them.
  LinearUpdate Update(const Rows& x, const State&) const override {
    const Tensor &per_token = x.gates.at("log_keep"), &beta = x.gates.at("beta");
    Shape grouped = per_token.shape();
    grouped.insert(grouped.begin() + 2, 1);
    const Tensor log_keep = Reshape(Pad(Reshape(per_token, grouped), 2, 0, n_ - 1), beta.shape());
    return {.log_keep = log_keep,
            .erase = {x.k, Mul(Exp(log_keep), beta)},
            .write = {x.v, beta},
            .key = x.k};
  }

 private:
  const int64_t n_;
};

PALIMPSEST_MEMORY_RULE("delta_product", DeltaProduct,
                       {.name = "n",
                        .value = 2,
                        .min = 1,
                        .max = 16,
                        .integer = true,
                        .meaning = "pairs a token writes"});

}  // namespace
}  // namespace palimpsest
