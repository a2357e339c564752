#include "memory_rules/gradient_memory.h"

#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "memory_rules/linear_recurrence.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

class Plain : public Weights {
 public:
  explicit Plain(const State& state) : state_(state) {}
  Tensor Apply(int i, const Tensor& x) const override { return MatMul(x, state_[i], {.b = true}); }

 private:
  const State& state_;
};

// For each weight, row by row, what came into its product and what came out, which `tape` watches.
class Probe : public Weights {
 public:
  Probe(const State& state, size_t weights, Tape& tape)
      : plain_(state), tape_(tape), in_(weights), out_(weights) {}

  Tensor Apply(int i, const Tensor& x) const override {
    PALIMPSEST_CHECK(!in_[i]) << "weight " << i << " is applied twice in one forward pass";
    in_[i] = x;
    out_[i] = plain_.Apply(i, x);
    tape_.Watch(out_[i]);
    return out_[i];
  }

  const Tensors& in() const { return in_; }
  const Tensors& out() const { return out_; }

 private:
  Plain plain_;
  Tape& tape_;
  mutable Tensors in_, out_;
};

// dLoss/dW_i is, row by row, left_i right_i^T: the gradient at the product's output, and its input.
struct Factors {
  Tensors left, right;
};

Factors InnerGradient(const GradientMemory& memory, const State& anchor, size_t weights,
                      const Tensor& k, const Tensor& v) {
  const OpScope scope("inner_gradient");
  Tape tape;
  const Probe probe(anchor, weights, tape);
  const Tensor loss = memory.Loss(memory.Forward(probe, k), v);
  return {tape.Gradient(loss, probe.out()), probe.in()};
}

// The weights after, or before, each step of a chunk: row t of x meets those of step t.
class Running : public Weights {
 public:
  Running(const std::vector<LinearChunk>& chunks, bool before) : chunks_(chunks), before_(before) {}
  Tensor Apply(int i, const Tensor& x) const override {
    return before_ ? chunks_[i].ApplyBefore(x) : chunks_[i].Apply(x);
  }

 private:
  const std::vector<LinearChunk>& chunks_;
  const bool before_;
};

}  // namespace

Tensor GradientMemory::Loss(const Tensor& y, const Tensor& v) const {
  const Tensor error = Sub(y, v);
  return Mul(Sum(Mul(error, error)), 0.5);
}

std::vector<GateSpec> GradientMemory::gates() const {
  std::vector<GateSpec> specs = {{.name = "log_keep", .kind = GateKind::kLogDecay, .init = 0.99},
                                 {.name = "theta", .kind = GateKind::kStrength01, .init = 0.05}};
  if (momentum()) specs.push_back({.name = "log_eta", .kind = GateKind::kLogDecay, .init = 0.5});
  return specs;
}

std::vector<std::string> GradientMemory::state_names() const {
  std::vector<std::string> names;
  for (const char* tensor : {"W", "S"}) {
    for (int i = 1; i <= num_weights(); ++i) names.push_back(tensor + std::to_string(i));
    if (!momentum()) break;
  }
  return names;
}

State GradientMemory::Init(const MemoryDims& dims, DType dtype, const RandomStream& stream) const {
  State state = InitWeights(dims, dtype, stream);
  if (!momentum()) return state;
  for (size_t i = 0, n = state.size(); i < n; ++i)
    state.push_back(Tensor::Full(state[i].shape(), 0.0, dtype));
  return state;
}

Tensor GradientMemory::Read(const State& state, const Tensor& q) const {
  return Forward(Plain(state), q);
}

State GradientMemory::Step(const State& state, const State& anchor, const Block& x) const {
  const size_t n = NumWeights(state);
  const Factors g = InnerGradient(*this, anchor, n, x.k, x.v);
  const Tensor theta = Column(x.gates.at("theta")), keep = Column(Exp(x.gates.at("log_keep")));
  State next(state.size());
  for (size_t i = 0; i < n; ++i) {
    Tensor s = Neg(Mul(theta, MatMul(g.left[i], g.right[i], {.a = true})));
    if (momentum()) s = next[n + i] = Add(Mul(Column(Exp(x.gates.at("log_eta"))), state[n + i]), s);
    next[i] = Add(Mul(keep, state[i]), s);
    if (erases(static_cast<int>(i))) {
      const Tensor found = MatMul(g.right[i], state[i], {.b = true});
      next[i] = Sub(next[i], Mul(theta, MatMul(found, g.right[i], {.a = true})));
    }
  }
  return next;
}

ScanResult GradientMemory::Chunk(const Rows& chunk, const State& state, const State& anchor) const {
  const size_t n = NumWeights(state);
  const Factors g = InnerGradient(*this, anchor, n, chunk.k, chunk.v);
  const Tensor &theta = chunk.gates.at("theta"), write_scale = Neg(theta);
  std::vector<LinearUpdate> updates;
  for (size_t i = 0; i < n; ++i) {
    updates.push_back({.log_keep = chunk.gates.at("log_keep"),
                       .log_eta = momentum() ? chunk.gates.at("log_eta") : Tensor(),
                       .write = {g.left[i], write_scale},
                       .key = g.right[i]});
    if (!erases(static_cast<int>(i))) continue;
    updates[i].erase = {g.right[i], theta};
    updates[i].erasure = Erasure::kPastMomentum;
  }
  const ChunkDecay decay(updates[0]);
  std::vector<LinearChunk> weights;
  for (size_t i = 0; i < n; ++i) {
    weights.emplace_back(updates[i], decay, state[i], momentum() ? state[n + i] : Tensor());
  }
  Tensor y = Forward(Running(weights, read_from() == ReadFrom::kBeforeWrite), chunk.q);
  State next;
  for (const LinearChunk& w : weights) next.push_back(w.Last());
  for (size_t i = 0; momentum() && i < n; ++i) next.push_back(weights[i].LastMomentum());
  return {std::move(y), std::move(next)};
}

}  // namespace palimpsest
