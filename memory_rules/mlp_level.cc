#include "memory_rules/mlp_level.h"

#include <cmath>
#include <utility>

#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

constexpr int64_t kExpansion = 4;

Tensor Zero(const Tensor& like) {
  return Tensor::Full(like.shape(), 0.0, like.dtype(), like.device());
}

// Of each memory: [batch, 1, 1].
Tensor NormOfAll(const Tensors& matrices) {
  Tensors norms;
  for (const Tensor& x : matrices) norms.push_back(Norm(x, {1, 2}, /*keep=*/true));
  return Norm(Concat(norms, 2), {2}, /*keep=*/true);
}

}  // namespace

State MlpLevel::Fresh(const Tensors& weights) {
  const Tensor& w = weights.front();
  const Tensor none = Tensor::Full({w.dim(0), 1, 1}, 0.0, w.dtype(), w.device());
  State state = weights;
  for (const Tensor& x : weights) state.push_back(Zero(x));
  state.insert(state.end(), {none, none});
  return state;
}

Tensors MlpLevel::WeightsOf(const State& state) const {
  return {state.begin(), state.begin() + num_weights()};
}

const Tensor& MlpLevel::Updates(const State& state) { return state.back(); }

State MlpLevel::WithUpdates(State state, const Tensor& updates) {
  state.back() = updates;
  return state;
}

std::string MlpLevel::equation() const {
  const std::string loss =
      options_.objective == Objective::kDot ? "-<f(k_t), v_t>" : "|f(k_t) - v_t|^2 / 2";
  return "W <- W - " + std::string(options_.average ? "mean" : "sum") + "_chunk eta_t grad_W " +
         loss + "  at the chunk's end";
}

std::vector<GateSpec> MlpLevel::gates() const {
  return {{.name = "eta",
           .kind = GateKind::kPositive,
           .scope = options_.per_channel ? GateScope::kValueChannel : GateScope::kHead,
           .init = 0.01,
           .constant = true,
           .meaning = "step size of the inner gradient descent"}};
}

int MlpLevel::num_weights() const {
  return options_.network == MlpLevelOptions::Network::kSwiglu ? 3 : 2;
}

Tensor MlpLevel::Forward(const Weights& w, const Tensor& x) const {
  switch (options_.network) {
    case MlpLevelOptions::Network::kSwiglu: {
      const Tensor gate = Silu(w.Apply(0, x));
      return w.Apply(2, Mul(gate, w.Apply(1, x)));
    }
    case MlpLevelOptions::Network::kGelu: return w.Apply(1, Gelu(w.Apply(0, x)));
    case MlpLevelOptions::Network::kRelu: break;
  }
  return w.Apply(1, Relu(w.Apply(0, x)));
}

Tensor MlpLevel::Loss(const Tensor& y, const Tensor& v, const Gates& gates) const {
  const Tensor& eta = gates.at("eta");
  const Tensor weight = eta.rank() == 3 ? eta : Reshape(eta, {eta.dim(0), eta.dim(1), 1});
  if (options_.objective == Objective::kDot) return Neg(Sum(Mul(y, Mul(weight, v))));
  const Tensor error = Sub(y, v);
  return Mul(Sum(Mul(error, Mul(weight, error))), 0.5);
}

Tensors MlpLevel::InitWeights(const MemoryDims& d, DType dtype, const RandomStream& stream) const {
  const int64_t hidden = kExpansion * d.key;
  Tensors weights;
  for (int i = 0; i < num_weights(); ++i) {
    const bool down = i + 1 == num_weights();
    const Shape shape = {1, down ? d.value : hidden, down ? hidden : d.key};
    const double stddev = 1.0 / std::sqrt(static_cast<double>(shape[2]));
    const Tensor w = RandomNormal(shape, stream.Fork(i), dtype, stddev);
    weights.push_back(BroadcastTo(w, {d.batch, shape[1], shape[2]}));
  }
  return weights;
}

Tensors MlpLevel::InitMore(const Tensors&, const MemoryDims& d, DType dtype) const {
  return Tensors(2, Tensor::Full({d.batch, 1, 1}, 0.0, dtype));
}

Tensors MlpLevel::Advance(Tensors more, const Gates&, int64_t n) const {
  more[0] = Add(more[0], static_cast<double>(n));
  return more;
}

Tensors MlpLevel::Bounded(const Tensors& w, Tensors step) const {
  if (options_.max_update == 0.0) return step;
  const Tensor bound = Add(Mul(NormOfAll(w), options_.max_update), 1e-12);
  const Tensor scale = Div(bound, Maximum(NormOfAll(step), bound));
  for (Tensor& x : step) x = Mul(x, scale);
  return step;
}

void MlpLevel::Write(Tensors& w, Tensors& s, Tensors& more) const {
  Tensors step = s;
  for (Tensor& x : step) x = options_.average ? Div(x, more[0]) : x;
  step = Bounded(w, std::move(step));
  for (size_t i = 0; i < w.size(); ++i) {
    w[i] = Add(w[i], step[i]);
    s[i] = Zero(s[i]);
  }
  more[1] = Add(more[1], 1.0);
  more[0] = Zero(more[0]);
}

}  // namespace palimpsest
