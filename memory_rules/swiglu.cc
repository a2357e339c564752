// The memory of Large Chunk Test-Time Training, f(x) = W_2 (silu(W_1 x) * (W_3 x)), which descends
// -<f(k), v> (Zhang et al. 2025, "Test-Time Training Done Right", as its code computes it): tokens
// of a chunk read W and gather dW = -sum_t lr_t dLoss_t/dW; when the chunk is full,
//   dW <- dW + mean(m_t) dW of the chunk before,   W <- W + NS(dW),   rows of W back to their
//   norms.
// momentum and newton_schulz are off by default. The norms start as those of a fresh W, and are
// learnt with it.
#include <algorithm>
#include <cmath>

#include "memory_rules/chunk_memory.h"
#include "memory_rules/registry.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/newton_schulz.h"
#include "ops/norm.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

constexpr int kWeights = 3;

class Swiglu : public ChunkMemory {
 public:
  explicit Swiglu(const RuleParams& params)
      : expansion_(params.at("expansion")),
        momentum_(params.at("momentum") != 0.0),
        steps_(JordanSteps(static_cast<int>(params.at("newton_schulz")))) {}

  std::string equation() const override {
    std::string equation = "dW = -sum_chunk lr_t grad_W -<f(k_t), v_t>";
    if (momentum_) equation += " + mean(m_t) dW'";
    return equation +
           (steps_.empty() ? ",  W <- row_norm(W + dW)" : ",  W <- row_norm(W + NS(dW))");
  }
  std::string source() const override { return "LaCT (Zhang et al. 2025)"; }
  std::vector<GateSpec> gates() const override {
    std::vector<GateSpec> specs;
    for (int i = 0; i < kWeights; ++i)
      specs.push_back({.name = rate(i),
                       .kind = GateKind::kPositive,
                       .init = 0.01,
                       .meaning = "step size of W" + std::to_string(i + 1)});
    if (momentum_)
      specs.push_back({.name = "m",
                       .kind = GateKind::kStrength01,
                       .meaning = "how much of the step of the chunk before is added"});
    return specs;
  }

  int num_weights() const override { return kWeights; }
  std::string rate(int i) const override { return "lr" + std::to_string(i + 1); }
  Tensor Forward(const Weights& w, const Tensor& x) const override {
    return w.Apply(1, Mul(Silu(w.Apply(0, x)), w.Apply(2, x)));
  }
  Tensor Loss(const Tensor& y, const Tensor& v, const Gates&) const override {
    return Neg(Sum(Mul(y, v)));
  }

  Tensors InitWeights(const MemoryDims& d, DType dtype, const RandomStream& stream) const override {
    const int64_t hidden =
        std::max<int64_t>(1, std::llround(expansion_ * static_cast<double>(d.key)));
    const Shape shapes[] = {{hidden, d.key}, {d.value, hidden}, {hidden, d.key}};
    Tensors weights;
    for (int i = 0; i < kWeights; ++i) {
      const Shape& s = shapes[i];
      const Tensor w = RandomNormal(s, stream.Fork(i), dtype, 1.0 / std::sqrt(s[1]));
      weights.push_back(BroadcastTo(Reshape(w, {1, s[0], s[1]}), {d.batch, s[0], s[1]}));
    }
    return weights;
  }

  // The rows' norms; with momentum the dW before, and sum and number of the chunk's m.
  std::vector<std::string> more_names() const override {
    if (!momentum_) return {"norm1", "norm2", "norm3"};
    return {"norm1", "norm2", "norm3", "dW1", "dW2", "dW3", "sum_m", "tokens"};
  }
  Tensors InitMore(const Tensors& weights, const MemoryDims& d, DType dtype) const override {
    Tensors more;
    for (const Tensor& w : weights) more.push_back(Norm(w, {-1}, /*keep=*/true));
    if (!momentum_) return more;
    for (const Tensor& w : weights) more.push_back(Tensor::Full(w.shape(), 0.0, dtype));
    more.insert(more.end(), 2, Tensor::Full({d.batch, 1, 1}, 0.0, dtype));
    return more;
  }
  Tensors Advance(Tensors more, const Gates& gates, int64_t n) const override {
    if (!momentum_) return more;
    more[kSumM] = Add(more[kSumM], Column(Sum(gates.at("m"), {1}, /*keep=*/true)));
    more[kTokens] = Add(more[kTokens], static_cast<double>(n));
    return more;
  }
  Tensor Scale(const Tensors&, int64_t) const override { return {}; }

  void Write(Tensors& w, Tensors& s, Tensors& more) const override {
    for (int i = 0; i < kWeights; ++i) {
      if (momentum_) {
        s[i] = Add(s[i], Mul(Div(more[kSumM], more[kTokens]), more[kWeights + i]));
        more[kWeights + i] = s[i];
      }
      const Tensor moved = Add(w[i], steps_.empty() ? s[i] : NewtonSchulz(s[i], steps_));
      w[i] = Mul(more[i], L2Normalize(moved, 1e-12));
      s[i] = Tensor::Full(s[i].shape(), 0.0, s[i].dtype(), s[i].device());
    }
    for (int i : {kSumM, kTokens}) {
      if (!momentum_) continue;
      more[i] = Tensor::Full(more[i].shape(), 0.0, more[i].dtype(), more[i].device());
    }
  }

 private:
  static constexpr int kSumM = 2 * kWeights, kTokens = kSumM + 1;
  const double expansion_;
  const bool momentum_;
  const std::vector<QuinticStep> steps_;
};

PALIMPSEST_MEMORY_RULE("swiglu", Swiglu,
                       {.name = "expansion",
                        .value = 2,
                        .min = 0,
                        .max = 64,
                        .meaning = "hidden size as a multiple of the key's"},
                       Flag("momentum", false, "1: a chunk goes on in the direction of the last"),
                       {.name = "newton_schulz",
                        .value = 0,
                        .min = 0,
                        .max = 16,
                        .integer = true,
                        .meaning = "steps that orthogonalise what a chunk writes"});

}  // namespace
}  // namespace palimpsest
