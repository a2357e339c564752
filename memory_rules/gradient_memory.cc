#include "memory_rules/gradient_memory.h"

#include <algorithm>
#include <utility>

#include "core/tape.h"
#include "memory_rules/linear_scan.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/mask.h"
#include "ops/newton_schulz.h"

namespace palimpsest {
namespace {

Tensor OrEmpty(const Gates& gates, const char* name) {
  const auto it = gates.find(name);
  return it == gates.end() ? Tensor() : it->second;
}

Tensor Joined(const Tensor& before, const Tensor& after) { return Concat({before, after}, 1); }

// 1 where token t descends the loss of row r: those of its window, of which the last is its own.
Tensor Band(int64_t window, const Tensor& theta) {
  const int64_t tokens = theta.dim(1);
  return Cast(BandMask(tokens, tokens + window - 1, 0, window - 1, theta.device()), theta.dtype());
}

Tensor Time(const Tensor& x, int64_t begin, int64_t end) { return Slice(x, 1, begin, end); }

// What was written, and the weights it rests at.
class Resting : public Weights {
 public:
  Resting(const Weights& written, const Tensors& rest) : written_(written), rest_(rest) {}
  Tensor Apply(int i, const Tensor& x) const override {
    return Add(written_.Apply(i, x), MatMul(x, rest_[i], {.b = true}));
  }
  const Tensor& Fixed(int i) const override { return written_.Fixed(i); }

 private:
  const Weights& written_;
  const Tensors& rest_;
};

// [batch, 1, rows, columns] -> [batch, rows, columns].
Tensor LastMatrix(const Tensor& all) {
  return Reshape(Time(all, all.dim(1) - 1, all.dim(1)), {all.dim(0), all.dim(2), all.dim(3)});
}

}  // namespace

// Every matrix of a chunk, [batch, time, out_i, in_i].
struct GradientMemory::Written {
  Tensors a, s;
};

std::vector<GateSpec> GradientMemory::gates() const {
  std::vector<GateSpec> specs = {KeepGate(),
                                 {.name = "theta",
                                  .kind = GateKind::kStrength01,
                                  .init = 0.05,
                                  .meaning = "step size of the inner gradient descent"}};
  if (options_.momentum)
    specs.push_back({.name = "log_eta",
                     .kind = GateKind::kLogDecay,
                     .init = 0.5,
                     .meaning = "how much of the momentum S a token keeps"});
  if (options_.objective == Objective::kHuber)
    specs.push_back({.name = "delta",
                     .kind = GateKind::kPositive,
                     .init = 1.0,
                     .meaning = "the error from which Huber's loss is linear"});
  if (options_.window > 1)
    specs.push_back({.name = "gamma",
                     .kind = GateKind::kStrength01,
                     .meaning = "weight of a pair in the loss of the window"});
  return specs;
}

std::vector<std::string> GradientMemory::state_names() const {
  std::vector<std::string> names;
  const auto add = [&](const char* tensor) {
    for (int i = 1; i <= num_weights(); ++i) names.push_back(tensor + std::to_string(i));
  };
  add(options_.rest_at_first ? "D" : "W");
  if (options_.momentum) add("S");
  if (options_.rest_at_first) add("W");
  if (options_.window == 1) return names;
  names.insert(names.end(), {"window_k", "window_v", "window_gamma"});
  if (options_.objective == Objective::kHuber) names.emplace_back("window_delta");
  return names;
}

State GradientMemory::Init(const MemoryDims& d, DType dtype, const RandomStream& stream) const {
  Parts parts{InitWeights(d, dtype, stream), {}, {}, {}};
  const auto zeros = [&] {
    Tensors all;
    for (const Tensor& a : parts.a) all.push_back(Tensor::Full(a.shape(), 0.0, dtype));
    return all;
  };
  if (options_.momentum) parts.s = zeros();
  if (options_.rest_at_first) parts.rest = std::exchange(parts.a, zeros());
  if (const int64_t before = options_.window - 1; before > 0) {
    for (const Shape& shape :
         {Shape{d.batch, before, d.key}, Shape{d.batch, before, d.value}, Shape{d.batch, before}}) {
      parts.window.push_back(Tensor::Full(shape, 0.0, dtype));
    }
    if (options_.objective == Objective::kHuber) parts.window.push_back(parts.window.back());
  }
  return Join(parts);
}

GradientMemory::Parts GradientMemory::Split(const State& state) const {
  const auto n = static_cast<int64_t>(num_weights());
  const auto begin = state.begin(), momentum = begin + n,
             rest = momentum + (options_.momentum ? n : 0),
             window = rest + (options_.rest_at_first ? n : 0);
  return {{begin, momentum}, {momentum, rest}, {rest, window}, {window, state.end()}};
}

State GradientMemory::Join(const Parts& parts) {
  State state = parts.a;
  for (const Tensors& part : {parts.s, parts.rest, parts.window})
    state.insert(state.end(), part.begin(), part.end());
  return state;
}

GradientMemory::Pairs GradientMemory::WithWindow(const Parts& parts, const Tensor& k,
                                                 const Tensor& v, const Gates& gates) const {
  Pairs pairs{k, v, OrEmpty(gates, "gamma"), OrEmpty(gates, "delta")};
  const Tensors& w = parts.window;
  if (w.empty()) return pairs;
  pairs = {Joined(w[0], k), Joined(w[1], v), Joined(w[2], pairs.gamma), pairs.delta};
  if (w.size() > 3) pairs.delta = Joined(w[3], pairs.delta);
  return pairs;
}

Tensors GradientMemory::NextWindow(const Pairs& pairs) const {
  if (options_.window == 1) return {};
  const int64_t rows = pairs.k.dim(1), begin = rows - (options_.window - 1);
  Tensors window;
  for (const Tensor* x : {&pairs.k, &pairs.v, &pairs.gamma, &pairs.delta}) {
    if (*x) window.push_back(Time(*x, begin, rows));
  }
  return window;
}

Tensors GradientMemory::WeightsOf(const Parts& from, Tensors a) const {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!from.rest.empty()) {
      Shape shape = from.rest[i].shape();
      shape.insert(shape.begin() + 1, a[i].rank() - from.rest[i].rank(), 1);
      a[i] = Add(a[i], Reshape(from.rest[i], shape));
    }
    a[i] = Retained(options_.retention, a[i], options_.q, options_.threshold);
  }
  return a;
}

SharedWeights GradientMemory::At(const Parts& parts) const {
  return SharedWeights(WeightsOf(parts, parts.a));
}

InnerFactors GradientMemory::GradientAt(const Parts& anchor, const Pairs& pairs) const {
  return InnerGradient(At(anchor), [&](const Weights& w) {
    return ObjectiveLoss(options_.objective, Forward(w, pairs.k), pairs.v, options_.p, pairs.delta);
  });
}

Tensor GradientMemory::Read(const State& state, const Tensor& q) const {
  return Forward(At(Split(state)), q);
}

State GradientMemory::Step(const State& state, const State& anchor, const Block& x) const {
  const Parts from = Split(state);
  const Pairs pairs = WithWindow(from, x.k, x.v, x.gates);
  const InnerFactors g = GradientAt(Split(anchor), pairs);
  const Tensor theta = Column(x.gates.at("theta")), keep = KeepFactor(x.gates.at("log_keep"));
  const bool orthogonal = options_.newton_schulz > 0;
  Parts next{{}, {}, from.rest, NextWindow(pairs)};
  for (int i = 0; i < num_weights(); ++i) {
    const Tensor left = pairs.gamma ? Mul(Column(pairs.gamma), g.left[i]) : g.left[i];
    Tensor write = Neg(MatMul(left, g.right[i], {.a = true}));
    if (!orthogonal) write = Mul(theta, write);
    if (options_.momentum) {
      write = Add(Mul(KeepFactor(x.gates.at("log_eta")), from.s[i]), write);
      next.s.push_back(write);
    }
    if (orthogonal) write = Mul(theta, NewtonSchulz(write, JordanSteps(options_.newton_schulz)));
    next.a.push_back(Add(Mul(keep, from.a[i]), write));
    if (!erases(i)) continue;
    const Tensor found = MatMul(g.right[i], from.a[i], {.b = true});
    next.a[i] = Sub(next.a[i], Mul(theta, MatMul(found, g.right[i], {.a = true})));
  }
  return Join(next);
}

std::vector<LinearUpdate> GradientMemory::Updates(const Pairs& pairs, const InnerFactors& g,
                                                  const Gates& gates) const {
  const Tensor& theta = gates.at("theta");
  const bool orthogonal = options_.newton_schulz > 0;
  Tensor spread;
  if (options_.window > 1) {
    const Tensor band = Band(options_.window, theta);
    spread = Mul(band, Reshape(pairs.gamma, {theta.dim(0), 1, pairs.gamma.dim(1)}));
    if (!orthogonal) spread = Mul(spread, Column(theta));
  }
  std::vector<LinearUpdate> updates;
  for (int i = 0; i < num_weights(); ++i) {
    LinearUpdate u{.log_keep = gates.at("log_keep"),
                   .write = {Neg(g.left[i])},
                   .key = g.right[i],
                   .spread = spread};
    if (!spread && !orthogonal) u.write.scale = theta;
    if (orthogonal) {
      u.log_keep = gates.at("log_eta");  // Of S; A follows from all of its matrices.
    } else if (options_.momentum) {
      u.log_eta = gates.at("log_eta");
    }
    if (erases(i)) {
      u.erase = {g.right[i], theta};
      u.erasure = Erasure::kPastMomentum;
    }
    updates.push_back(std::move(u));
  }
  return updates;
}

// S_t is orthogonalised token by token, so that it must be formed.
GradientMemory::Written GradientMemory::WriteOrthogonal(const Parts& from,
                                                        const std::vector<LinearUpdate>& updates,
                                                        const Gates& gates) const {
  const ChunkDecay decay(updates[0]);
  const DecayProducts keep(gates.at("log_keep"));
  const Tensor theta = Column(gates.at("theta"));
  const std::vector<QuinticStep> steps = JordanSteps(options_.newton_schulz);
  Written all;
  for (size_t i = 0; i < updates.size(); ++i) {
    const Tensor s = LinearChunk(updates[i], decay, from.s[i]).Matrices();
    const Shape flat = {s.dim(0), s.dim(1), s.dim(2) * s.dim(3)};
    const Tensor written = MatMul(keep.between, Mul(theta, Reshape(NewtonSchulz(s, steps), flat)));
    const Tensor kept = Mul(keep.from_start, Reshape(from.a[i], {flat[0], 1, flat[2]}));
    all.a.push_back(Reshape(Add(kept, written), s.shape()));
    all.s.push_back(s);
  }
  return all;
}

Tensor GradientMemory::ReadMatrices(const Parts& from, Tensors a, const Tensor& q) const {
  for (size_t i = 0; i < a.size(); ++i) {
    const Shape& shape = a[i].shape();
    if (options_.read == ReadFrom::kBeforeWrite) {
      const Tensor first = Reshape(from.a[i], {shape[0], 1, shape[2], shape[3]});
      a[i] = Joined(first, Time(a[i], 0, shape[1] - 1));
    }
  }
  return Forward(WeightsOfRows(WeightsOf(from, std::move(a)), {}), q);
}

Tensor GradientMemory::ReadWritten(const Parts& from, const Weights& written,
                                   const Tensor& q) const {
  return from.rest.empty() ? Forward(written, q) : Forward(Resting(written, from.rest), q);
}

ScanResult GradientMemory::Chunk(const Rows& chunk, const State& state, const State& anchor) const {
  const Parts from = Split(state), at = Split(anchor);
  const Pairs pairs = WithWindow(from, chunk.k, chunk.v, chunk.gates);
  const std::vector<LinearUpdate> updates = Updates(pairs, GradientAt(at, pairs), chunk.gates);
  const bool reads_anchor = options_.read == ReadFrom::kAnchor;
  Parts next{{}, {}, from.rest, NextWindow(pairs)};
  Tensor y = reads_anchor ? Forward(At(at), chunk.q) : Tensor();
  if (options_.newton_schulz > 0) {
    Written all = WriteOrthogonal(from, updates, chunk.gates);
    for (const Tensor& a : all.a) next.a.push_back(LastMatrix(a));
    for (const Tensor& s : all.s) next.s.push_back(LastMatrix(s));
    if (!y) y = ReadMatrices(from, std::move(all.a), chunk.q);
    return {std::move(y), Join(next)};
  }
  const bool after = options_.read == ReadFrom::kAfterWrite;
  if (after && options_.retention == Retention::kL2 && !ComposedScope::Active() &&
      std::all_of(updates.begin(), updates.end(), LinearScanFuses)) {
    std::vector<State> states;
    for (size_t i = 0; i < updates.size(); ++i) {
      states.push_back({from.a[i]});
      if (options_.momentum) states[i].push_back(from.s[i]);
    }
    const WeightsOfScan weights(updates, std::move(states), {});
    y = ReadWritten(from, weights, chunk.q);
    for (const State& s : weights.states()) {
      next.a.push_back(s[0]);
      if (options_.momentum) next.s.push_back(s[1]);
    }
    return {std::move(y), Join(next)};
  }
  const ChunkDecay decay(updates[0]);
  std::vector<LinearChunk> weights;
  for (size_t i = 0; i < updates.size(); ++i) {
    weights.emplace_back(updates[i], decay, from.a[i], options_.momentum ? from.s[i] : Tensor());
    next.a.push_back(weights[i].Last());
    if (options_.momentum) next.s.push_back(weights[i].LastMomentum());
  }
  if (!y && options_.retention == Retention::kL2) {
    y = ReadWritten(from, WeightsOfChunk(weights, {}, options_.read == ReadFrom::kBeforeWrite),
                    chunk.q);
  } else if (!y) {
    Tensors a;
    for (const LinearChunk& w : weights) a.push_back(w.Matrices());
    y = ReadMatrices(from, std::move(a), chunk.q);
  }
  return {std::move(y), Join(next)};
}

}  // namespace palimpsest
