// Titans' long-term memory (Behrouz et al. 2025, "Titans: Learning to Memorize at Test Time", eq.
// 8-17):
//   S_t = eta_t S_{t-1} - theta_t d|f(k_t; W) - v_t|^2/2 / dW at the chunk's start,   W_t = keep_t
//   W_{t-1} + S_t
// with f an MLP, f(x) = W_n silu(... silu(W_1 x)). keep is the paper's 1 - alpha, and theta holds
// the 2 of its loss without the half. The last layer starts at zero: a fresh memory recalls
// nothing.
#include <cmath>

#include "memory_rules/gradient_memory.h"
#include "memory_rules/registry.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

class TitansMlp : public GradientMemory {
 public:
  explicit TitansMlp(const RuleParams& params)
      : depth_(static_cast<int>(params.at("depth"))),
        expansion_(params.at("expansion")),
        momentum_(params.at("momentum") != 0.0) {}

  std::string equation() const override {
    const std::string write = "theta_t grad_W |f(k_t) - v_t|^2 / 2";
    return momentum_ ? "S_t = eta_t S_{t-1} - " + write + ",  W_t = keep_t W_{t-1} + S_t"
                     : "W_t = keep_t W_{t-1} - " + write;
  }
  std::string source() const override { return "Titans (Behrouz et al. 2025), eq. 8-18"; }
  bool momentum() const override { return momentum_; }
  int num_weights() const override { return depth_; }

  Tensors InitWeights(const MemoryDims& dims, DType dtype,
                      const RandomStream& stream) const override {
    const int64_t hidden =
        std::max<int64_t>(1, std::llround(expansion_ * static_cast<double>(dims.key)));
    Tensors weights;
    for (int i = 0; i < depth_; ++i) {
      const bool last = i + 1 == depth_;
      const Shape shape = {last ? dims.value : hidden, i == 0 ? dims.key : hidden};
      const Tensor w = last ? Tensor::Full(shape, 0.0, dtype)
                            : RandomNormal(shape, stream.Fork(i), dtype, 1.0 / std::sqrt(shape[1]));
      weights.push_back(
          BroadcastTo(Reshape(w, {1, shape[0], shape[1]}), {dims.batch, shape[0], shape[1]}));
    }
    return weights;
  }

  Tensor Forward(const Weights& w, const Tensor& x) const override {
    Tensor h = w.Apply(0, x);
    for (int i = 1; i < depth_; ++i) h = w.Apply(i, Silu(h));
    return h;
  }

 private:
  const int depth_;
  const double expansion_;
  const bool momentum_;
};

PALIMPSEST_MEMORY_RULE("titans_mlp", TitansMlp,
                       {.name = "depth",
                        .value = 2,
                        .min = 1,
                        .max = 16,
                        .integer = true,
                        .meaning = "layers of the memory"},
                       {.name = "expansion",
                        .value = 2,
                        .min = 0,
                        .max = 64,
                        .meaning = "hidden size as a multiple of the key's"},
                       Flag("momentum", true,
                            "0: without S, one step of gradient descent a token"));

}  // namespace
}  // namespace palimpsest
