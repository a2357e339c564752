#include "nn/self_modifying_scan.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "memory_rules/objective.h"
#include "memory_rules/rows.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

// Parts of so many tokens each.
std::vector<BoxInputs> SplitInputs(const BoxInputs& in, const std::vector<int64_t>& tokens) {
  std::vector<BoxInputs> parts(tokens.size());
  const auto split = [&](const Tensor& all, auto part) {
    if (!all) return;
    Tensors pieces = Split(all, tokens, 1);
    for (size_t i = 0; i < parts.size(); ++i) part(parts[i]) = std::move(pieces[i]);
  };
  split(in.x, [](BoxInputs& p) -> Tensor& { return p.x; });
  split(in.x_v, [](BoxInputs& p) -> Tensor& { return p.x_v; });
  split(in.signals.q, [](BoxInputs& p) -> Tensor& { return p.signals.q; });
  split(in.signals.k, [](BoxInputs& p) -> Tensor& { return p.signals.k; });
  split(in.signals.v, [](BoxInputs& p) -> Tensor& { return p.signals.v; });
  split(in.signals.eta, [](BoxInputs& p) -> Tensor& { return p.signals.eta; });
  split(in.signals.log_keep, [](BoxInputs& p) -> Tensor& { return p.signals.log_keep; });
  return parts;
}

int64_t Time(const BoxInputs& in) { return (in.x ? in.x : in.x_v ? in.x_v : in.signals.q).dim(1); }

// What several scans gave, one after the other.
BoxScan Joined(const std::vector<BoxScan>& parts) {
  const auto join = [&](auto of) {
    Tensors all;
    for (const BoxScan& part : parts) {
      if (const Tensor& x = of(part)) all.push_back(x);
    }
    return all.empty() ? Tensor() : Concat(all, 1);
  };
  BoxScan joined;
  joined.y = join([](const BoxScan& p) { return p.y; });
  joined.signals.q = join([](const BoxScan& p) { return p.signals.q; });
  joined.signals.k = join([](const BoxScan& p) { return p.signals.k; });
  joined.signals.v = join([](const BoxScan& p) { return p.signals.v; });
  joined.signals.eta = join([](const BoxScan& p) { return p.signals.eta; });
  joined.signals.log_keep = join([](const BoxScan& p) { return p.signals.log_keep; });
  joined.state = parts.back().state;
  return joined;
}

// Rows of a and of b one after the other, [batch, 2 time, dim]: the pairs of a target that is not
// constant.
Tensor InTurn(const Tensor& a, const Tensor& b) {
  const int64_t batch = a.dim(0), time = a.dim(1), dim = a.dim(2);
  const Tensor pairs =
      Concat({Reshape(a, {batch, time, 1, dim}), Reshape(b, {batch, time, 1, dim})}, 2);
  return Reshape(pairs, {batch, 2 * time, dim});
}

Tensor AsGate(const Tensor& x) { return Reshape(x, {x.dim(0), x.dim(1)}); }

}  // namespace

Tensor EtaOf(const ModelConfig::SelfModifying& config, const Tensor& z) {
  return Mul(Sigmoid(z), config.eta_max());
}

Tensor LogKeepOf(const Tensor& z) { return Neg(Softplus(Neg(z))); }

SharedWeights SelfModifyingScan::At(const State& state) const {
  const auto end = state.begin() + static_cast<int64_t>(stack_.num_weights());
  return SharedWeights({state.begin(), end}, {constants_.skip});
}

State SelfModifyingScan::FromRest(State state) const {
  for (size_t i = 0; i < constants_.rest.size(); ++i) state[i] = Sub(state[i], constants_.rest[i]);
  return state;
}

State SelfModifyingScan::AtRest(State written) const {
  for (size_t i = 0; i < constants_.rest.size(); ++i)
    written[i] = Add(written[i], constants_.rest[i]);
  return written;
}

BoxSignals SelfModifyingScan::Generate(const BoxInputs& in, const State& anchor) const {
  BoxSignals s = in.signals;
  const State weights(anchor.begin(), anchor.begin() + static_cast<int64_t>(stack_.num_weights()));
  const auto unit = [](const Tensor& x, bool wanted) { return wanted ? L2Normalize(x) : x; };
  for (Box box : stack_.boxes()) {
    if (box == Box::kMemory) continue;
    const Tensor z = stack_.Read(box, weights, constants_.skip, box == Box::kValue ? in.x_v : in.x);
    switch (box) {
      case Box::kKey: s.k = unit(z, config_.normalize_qk()); break;
      case Box::kValue: s.v = unit(z, config_.normalize_v()); break;
      case Box::kQuery: s.q = unit(z, config_.normalize_qk()); break;
      case Box::kEta: s.eta = EtaOf(config_, Add(AsGate(z), constants_.eta_bias)); break;
      case Box::kKeep: s.log_keep = LogKeepOf(Add(AsGate(z), constants_.keep_bias)); break;
      case Box::kMemory: break;
    }
  }
  return s;
}

InnerFactors SelfModifyingScan::Gradient(const State& at, const Tensor& k, const Tensor& v) const {
  const SharedWeights weights = At(at);
  if (config_.stop_gradient_target()) {
    const Tensor target = stack_.Forward(weights, v);
    return Bounded(InnerGradient(weights, [&](const Weights& w) {
      return ObjectiveLoss(Objective::kL2, stack_.Forward(w, k), target, 2.0, {});
    }));
  }
  const Tensor both = InTurn(k, v);
  return Bounded(InnerGradient(weights, [&](const Weights& w) {
    const Tensor y = stack_.Forward(w, both);
    const Tensors sides = Split(Reshape(y, {k.dim(0), k.dim(1), 2, y.dim(2)}), {1, 1}, 2);
    return ObjectiveLoss(Objective::kL2, sides[0], sides[1], 2.0, {});
  }));
}

InnerFactors SelfModifyingScan::LinearGradient(const State& at, const Tensor& k,
                                               const Tensor& v) const {
  const Tensor error = stack_.Forward(At(at), Sub(k, v));
  if (config_.stop_gradient_target()) return Bounded({{error}, {k}});
  return Bounded({{InTurn(error, Neg(error))}, {InTurn(k, v)}});
}

InnerFactors SelfModifyingScan::Bounded(InnerFactors g) const {
  if (config_.max_error() == 0.0 || exact()) return g;
  for (size_t i = 0; i < g.left.size(); ++i)
    g.left[i] = stack_.Bounded(i, g.left[i], config_.max_error());
  return g;
}

Tensor SelfModifyingScan::StepSize(const Tensor& eta, const Tensor& x) const {
  if (config_.step() == ModelConfig::SelfModifying::EXPLICIT) return eta;
  return Div(eta, Add(Mul(eta, Sum(Mul(x, x), {2})), 1.0));
}

// One token, in the matrices of the equation.
State SelfModifyingScan::Step(const BoxSignals& x, const State& state, const State& anchor) const {
  const InnerFactors g = Gradient(exact() ? state : anchor, x.k, x.v);
  const bool of_step = config_.momentum() == ModelConfig::SelfModifying::STEP;
  const State from = FromRest(state);
  State weights, momenta;
  for (size_t i = 0; i < stack_.num_weights(); ++i) {
    const int64_t n = stack_.groups(i), batch = x.k.dim(0);
    const auto of_boxes = [&](const Tensor& gate) {
      return Reshape(BroadcastTo(Reshape(gate, {batch, 1}), {batch, n}), {batch * n, 1});
    };
    const auto factor = [&](const Tensor& gate) { return Column(of_boxes(gate)); };
    const Tensor in = Slice(g.right[i], 1, 0, 1);
    const Tensor eta = Column(StepSize(of_boxes(x.eta), in));
    Tensor step = Neg(Mul(eta, MatMul(g.left[i], g.right[i], {.a = true})));
    Tensor erased;
    if (delta()) {
      const Tensor found = MatMul(in, from[i], {.b = true});
      erased = Mul(eta, MatMul(found, in, {.a = true}));
      if (of_step) step = Sub(step, erased);
    }
    if (momentum()) {
      const Tensor& s = from[stack_.num_weights() + i];
      step = Add(Mul(factor(Exp(constants_.log_momentum)), s), step);
      momenta.push_back(step);
    }
    const Tensor kept = x.log_keep ? Mul(factor(Exp(x.log_keep)), from[i]) : from[i];
    weights.push_back(Add(kept, step));
    if (erased && !of_step) weights.back() = Sub(weights.back(), erased);
  }
  weights.insert(weights.end(), momenta.begin(), momenta.end());
  return AtRest(std::move(weights));
}

State SelfModifyingScan::Relinked(State written, const State& from) {
  for (size_t i = 0; i < written.size(); ++i)
    written[i] = Add(written[i].Detach(), Sub(from[i], from[i].Detach()));
  return written;
}

BoxScan SelfModifyingScan::Steps(const BoxInputs& in, State state, const State& anchor) const {
  std::vector<BoxScan> tokens;
  for (const BoxInputs& token : SplitInputs(in, std::vector<int64_t>(Time(in), 1))) {
    BoxScan t{{}, Generate(token, anchor), {}, {}};
    t.state = Step(t.signals, state, anchor);
    if (!config_.differentiate_writes()) t.state = Relinked(std::move(t.state), state);
    if (stack_.Has(Box::kMemory)) {
      const State& read = config_.read() == ModelConfig::SelfModifying::ANCHOR         ? anchor
                          : config_.read() == ModelConfig::SelfModifying::BEFORE_WRITE ? state
                                                                                       : t.state;
      t.y = stack_.Output(Box::kMemory, stack_.Forward(At(read), t.signals.q));
    }
    state = t.state;
    tokens.push_back(std::move(t));
  }
  return Joined(tokens);
}

BoxScan SelfModifyingScan::Run(const BoxInputs& in, State state, State anchor, int64_t chunk,
                               int64_t phase, ScanMode mode) const {
  const OpScope scope("self_modifying_scan");
  if (Time(in) == 0) {
    const BoxSignals signals = Generate(in, phase == 0 ? state : anchor);
    return {stack_.Has(Box::kMemory) ? signals.q : Tensor(), signals, state,
            phase == 0 ? state : anchor};
  }
  std::vector<int64_t> tokens = {std::min(chunk - phase, Time(in))};
  for (int64_t left = Time(in) - tokens[0]; left > 0; left -= tokens.back())
    tokens.push_back(std::min(chunk, left));
  std::vector<BoxScan> parts;
  for (const BoxInputs& part : SplitInputs(in, tokens)) {
    if (phase == 0) anchor = state;
    parts.push_back(mode == ScanMode::kSteps ? Steps(part, std::move(state), anchor)
                                             : Chunk(part, state, anchor));
    state = parts.back().state;
    phase = 0;
  }
  BoxScan all = Joined(parts);
  all.anchor = std::move(anchor);
  return all;
}

}  // namespace palimpsest
