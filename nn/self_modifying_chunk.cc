// A chunk of self-modifying memories in matrix products.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/op_scope.h"
#include "core/tape.h"
#include "memory_rules/linear_scan.h"
#include "memory_rules/rows.h"
#include "nn/self_modifying_scan.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

Tensor Constant(const Tensor& x) { return x ? x.Detach() : x; }

State Constant(State state) {
  for (Tensor& x : state) x = x.Detach();
  return state;
}

BoxSignals Constant(const BoxSignals& s) {
  return {Constant(s.q), Constant(s.k), Constant(s.v), Constant(s.eta), Constant(s.log_keep)};
}

BoxConstants Constant(const BoxConstants& c) {
  return {Constant(c.skip), Constant(c.eta_bias), Constant(c.keep_bias), Constant(c.log_momentum),
          Constant(c.rest)};
}

// [batch, time] -> [batch boxes, time].
Tensor ForBoxes(const Tensor& gate, int64_t boxes) {
  if (!gate || boxes == 1) return gate;
  const int64_t batch = gate.dim(0), time = gate.dim(1);
  const Tensor spread = BroadcastTo(Reshape(gate, {batch, 1, time}), {batch, boxes, time});
  return Reshape(spread, {batch * boxes, time});
}

// [batch, time] -> [batch, time pairs]: the gate for a token's first pair, `other` for the rest.
Tensor ForFirst(const Tensor& gate, int64_t pairs, double other) {
  if (!gate || pairs == 1) return gate;
  return Reshape(Pad(Column(gate), 2, 0, pairs - 1, other), {gate.dim(0), gate.dim(1) * pairs});
}

// Rows of x for a scan that answers after each of them, so that row i + 1 is answered before it.
Tensor Earlier(const Tensor& x) { return Pad(Slice(x, 1, 1, x.dim(1)), 1, 0, 1); }

Tensor Later(const Tensor& first, const Tensor& rest) {
  return Concat({first, Slice(rest, 1, 0, rest.dim(1) - 1)}, 1);
}

}  // namespace

// The matrices of a chunk, token by token, as a network's forward pass meets them: where they rest
// and what was written, which takes its steps as it is applied or, at the latest, in Last.
class SelfModifyingScan::Written : public Weights {
 public:
  Written(std::vector<LinearUpdate> updates, const State& state, const BoxConstants& constants,
          int64_t pairs, bool before)
      : updates_(std::move(updates)),
        fixed_(constants.skip),
        rest_(constants.rest),
        pairs_(pairs),
        before_(before),
        fused_(!ComposedScope::Active() &&
               std::all_of(updates_.begin(), updates_.end(), LinearScanFuses)) {
    const size_t n = updates_.size();
    for (size_t i = 0; i < n; ++i) {
      from_.push_back({state[i]});
      if (state.size() > n) from_[i].push_back(state[n + i]);
    }
    after_.resize(n);
    for (size_t i = 0; i < n && !fused_; ++i) {
      decays_.push_back(std::make_unique<ChunkDecay>(updates_[i]));
      chunks_.push_back(std::make_unique<LinearChunk>(
          updates_[i], *decays_[i], from_[i][0], from_[i].size() > 1 ? from_[i][1] : Tensor()));
    }
  }

  Tensor Apply(int i, const Tensor& x) const override {
    const Tensor rows = ForPairs(x, pairs_);
    Tensor y;
    if (!fused_) {
      y = before_ ? chunks_[i]->ApplyBefore(rows) : chunks_[i]->Apply(rows);
    } else if (before_) {
      const Tensor first = MatMul(Slice(rows, 1, 0, 1), from_[i][0], {.b = true});
      y = Later(first, Scanned(i, Earlier(rows)));
    } else {
      y = Scanned(i, rows);
    }
    y = AtTokens(y, pairs_, before_);
    return rest_.empty() ? y : Add(y, MatMul(x, rest_[i], {.b = true}));
  }
  const Tensor& Fixed(int) const override { return fixed_; }

  State Last() const {
    State weights, momenta;
    for (size_t i = 0; i < updates_.size(); ++i) {
      if (!fused_) {
        after_[i] = {chunks_[i]->Last()};
        if (from_[i].size() > 1) after_[i].push_back(chunks_[i]->LastMomentum());
      } else if (after_[i].empty()) {
        Scanned(static_cast<int>(i), updates_[i].key);
      }
      weights.push_back(after_[i][0]);
      if (from_[i].size() > 1) momenta.push_back(after_[i][1]);
    }
    weights.insert(weights.end(), momenta.begin(), momenta.end());
    return weights;
  }

 private:
  Tensor Scanned(int i, const Tensor& rows) const {
    ScanResult r = LinearScan(updates_[i], rows, from_[i], rows.dim(1));
    after_[i] = std::move(r.state);
    return r.y;
  }

  const std::vector<LinearUpdate> updates_;
  std::vector<State> from_;
  const Tensor fixed_;
  const Tensors rest_;
  const int64_t pairs_;
  const bool before_, fused_;
  std::vector<std::unique_ptr<ChunkDecay>> decays_;
  std::vector<std::unique_ptr<LinearChunk>> chunks_;
  mutable std::vector<State> after_;
};

namespace {

// What constant weights do, with the gradient of the first of them: they were these and what is
// written, a constant.
class Linked : public Weights {
 public:
  Linked(const Weights& written, const State& from) : written_(written), from_(from) {}
  Tensor Apply(int i, const Tensor& x) const override {
    const Tensor none = Sub(from_[i], from_[i].Detach());
    return Add(written_.Apply(i, x), MatMul(x, none, {.b = true}));
  }
  const Tensor& Fixed(int i) const override { return written_.Fixed(i); }

 private:
  const Weights& written_;
  const State& from_;
};

}  // namespace

// M_{t-1} v_t - M_{t-1} k_t is read from what was written by one row; what the skips and the
// matrices at rest say is known beforehand.
LinearUpdate SelfModifyingScan::ExactUpdate(const BoxSignals& s) const {
  const Tensor error_key = Sub(s.k, s.v), eta = StepSize(s.eta, s.k);
  Tensors said(stack_.boxes().size() - stack_.scalars(), error_key);
  if (constants_.skip) said.push_back(MatMul(error_key, constants_.skip, {.b = true}));
  Tensor known = Concat(said, 2);
  if (!constants_.rest.empty())
    known = Add(known, MatMul(error_key, constants_.rest[0], {.b = true}));
  return {.log_keep = s.log_keep,
          .erase = {delta() ? Add(error_key, s.k) : error_key, eta},
          .write = {Neg(known), eta},
          .key = s.k};
}

std::vector<LinearUpdate> SelfModifyingScan::Updates(const BoxSignals& s,
                                                     const State& anchor) const {
  const int64_t pairs = this->pairs();
  Tensor log_momentum = constants_.log_momentum, beta;
  if (log_momentum) log_momentum = BroadcastTo(log_momentum, s.eta.shape());
  if (exact()) {
    LinearUpdate update = ExactUpdate(s);
    update.log_eta = log_momentum;
    return {update};
  }
  // A token's pairs are one step: the first forgets and erases, the last adds the momentum.
  if (log_momentum && pairs > 1)
    beta = Tensor::Full(s.eta.shape(), 0.0, s.eta.dtype(), s.eta.device());
  const bool linear = config_.structure() == ModelConfig::SelfModifying::LINEAR;
  const InnerFactors g = linear ? LinearGradient(anchor, s.k, s.v) : Gradient(anchor, s.k, s.v);
  std::vector<LinearUpdate> updates;
  for (size_t i = 0; i < stack_.num_weights(); ++i) {
    const auto gate = [&](const Tensor& x, double other) {
      return ForFirst(ForBoxes(x, stack_.groups(i)), pairs, other);
    };
    const Tensor eta =
        StepSize(ForBoxes(s.eta, stack_.groups(i)), AtTokens(g.right[i], pairs, true));
    LinearUpdate u{.log_keep = gate(s.log_keep, 0.0),
                   .log_eta = gate(log_momentum, 0.0),
                   .beta = gate(beta, 1.0),
                   .write = {Neg(g.left[i]), ForPairs(eta, pairs)},
                   .key = g.right[i]};
    if (delta()) u.erase = {g.right[i], ForFirst(eta, pairs, 0.0)};
    if (config_.momentum() == ModelConfig::SelfModifying::GRADIENT)
      u.erasure = Erasure::kPastMomentum;
    updates.push_back(std::move(u));
  }
  return updates;
}

BoxScan SelfModifyingScan::Chunk(const BoxInputs& in, const State& state,
                                 const State& anchor) const {
  const bool live = config_.differentiate_writes();
  BoxScan r{{}, Generate(in, anchor), {}, {}};
  const BoxConstants fixed = live ? constants_ : Constant(constants_);
  const SelfModifyingScan writes(config_, stack_, fixed);
  const Written written(
      writes.Updates(live ? r.signals : Constant(r.signals), live ? anchor : Constant(anchor)),
      writes.FromRest(live ? state : Constant(state)), fixed, pairs(),
      config_.read() == ModelConfig::SelfModifying::BEFORE_WRITE);
  if (stack_.Has(Box::kMemory)) {
    const auto read = [&](const Weights& w) {
      return stack_.Output(Box::kMemory, stack_.Forward(w, r.signals.q));
    };
    r.y = config_.read() == ModelConfig::SelfModifying::ANCHOR ? read(At(anchor))
          : live                                               ? read(written)
                                                               : read(Linked(written, state));
  }
  r.state = writes.AtRest(written.Last());
  if (!live) r.state = Relinked(std::move(r.state), state);
  return r;
}

}  // namespace palimpsest
