#include "core/tape.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/op_scope.h"

namespace palimpsest {
namespace {

// The tensors tracked outside that RunUnrecorded has seen used inside.
struct Capture {
  absl::flat_hash_set<uint64_t> seen;
  Tensors captured;
};

struct ThreadState {
  std::vector<Tape*> tapes;
  size_t first_recording = 0;  // Tapes before it are suspended.
  Capture* capture = nullptr;
  FiniteWatch* watch = nullptr;
};

thread_local ThreadState state;

AccumulateFn accumulate = nullptr;

Tensor Accumulate(Tensor a, const Tensor& b) {
  PALIMPSEST_CHECK(accumulate != nullptr) << "no ops are linked";
  return accumulate(std::move(a), b);
}

}  // namespace

bool SetAccumulate(AccumulateFn fn) {
  accumulate = fn;
  return true;
}

struct Recorder {
  static void Look(const char* what, absl::Span<const Tensor> xs) {
    if (state.watch == nullptr) return;
    for (const Tensor& x : xs) {
      if (x) state.watch->Look(what, OpScope::Current(), x);
    }
  }

  static void NoteCapture(const Tensors& inputs) {
    Capture& c = *state.capture;
    for (const Tensor& x : inputs) {
      const bool tracked =
          std::any_of(state.tapes.begin(), state.tapes.begin() + state.first_recording,
                      [&](const Tape* t) { return t->Tracks(x); });
      if (tracked && c.seen.insert(x.id()).second) c.captured.push_back(x);
    }
  }

  // make_vjp(tape) gives the node's vjp; called only for tapes that record the op.
  template <typename MakeVjp>
  static void RecordOn(const Tensors& outs, const Tensors& inputs, MakeVjp make_vjp) {
    for (size_t i = state.first_recording; i < state.tapes.size(); ++i) {
      Tape* tape = state.tapes[i];
      if (tape->in_gradient_) continue;
      bool tracked = false, own = false;
      for (const Tensor& x : inputs) {
        tracked |= tape->Tracks(x);
        own |= tape->own_gradients_.contains(x.id());
      }
      if (!tracked) {
        // What is made of a gradient alone is as little recorded, and as little to be mixed in.
        if (own) {
          for (const Tensor& out : outs) tape->own_gradients_.insert(out.id());
        }
        continue;
      }
      PALIMPSEST_CHECK(!own)
          << "a gradient flows back into the tape that computed it; to differentiate "
             "a gradient, watch with an outer tape";
      Tape::Node node{OpScope::Current(), {}, {}, {}, make_vjp(*tape)};
      for (const Tensor& out : outs) {
        node.outs.push_back(out.id());
        tape->tracked_.insert(out.id());
      }
      for (const Tensor& x : inputs) {
        node.inputs.push_back(tape->Tracks(x) ? x.id() : 0);
        node.shapes.push_back(x.shape());
      }
      tape->nodes_.push_back(std::move(node));
    }
  }

  static bool Idle() {
    return state.tapes.size() == state.first_recording && state.capture == nullptr;
  }
};

namespace {

// One gradient after another: each is gradient(its vjp, dy, what takes its sum).
template <typename AnyArg, typename Gradient>
Tensor RecordArgs(Tensor out, const std::vector<AnyArg>& args, Gradient gradient) {
  Recorder::Look("", absl::MakeConstSpan(&out, 1));
  if (Recorder::Idle()) return out;
  Tensors inputs;
  for (const AnyArg& a : args) inputs.push_back(a.input);
  if (state.capture != nullptr) Recorder::NoteCapture(inputs);
  Recorder::RecordOn({out}, inputs, [&](const Tape& tape) {
    std::vector<decltype(AnyArg::vjp)> vjps;
    for (const AnyArg& a : args)
      vjps.push_back(tape.Tracks(a.input) ? a.vjp : decltype(AnyArg::vjp)());
    return [vjps = std::move(vjps), gradient](const Tensors& dys, auto take_sum) {
      Tensors dxs;
      for (size_t i = 0; i < vjps.size(); ++i)
        dxs.push_back(vjps[i] ? gradient(vjps[i], dys[0], [&] { return take_sum(i); }) : Tensor());
      return dxs;
    };
  });
  return out;
}

}  // namespace

Tensor Record(Tensor out, std::vector<Arg> args) {
  return RecordArgs(std::move(out), args,
                    [](const auto& vjp, const Tensor& dy, auto) { return vjp(dy); });
}

Tensor RecordOnto(Tensor out, std::vector<ArgOnto> args) {
  return RecordArgs(std::move(out), args, [](const auto& vjp, const Tensor& dy, auto take_sum) {
    return vjp(dy, take_sum());
  });
}

Tensors Record(Tensors outs, Tensors inputs, JointVjp vjp) {
  Recorder::Look("", outs);
  if (Recorder::Idle()) return outs;
  if (state.capture != nullptr) Recorder::NoteCapture(inputs);
  Recorder::RecordOn(outs, inputs, [&](const Tape&) {
    return [vjp](const Tensors& dys, auto) { return vjp(dys); };
  });
  return outs;
}

Tape::Tape(Lifetime lifetime) : lifetime_(lifetime) { state.tapes.push_back(this); }

Tape::~Tape() { Deactivate(); }

void Tape::Deactivate() {
  if (!active_) return;
  active_ = false;
  const auto it = std::find(state.tapes.begin(), state.tapes.end(), this);
  PALIMPSEST_CHECK(it != state.tapes.end()) << "a tape ends on another thread than it began on";
  if (static_cast<size_t>(it - state.tapes.begin()) < state.first_recording)
    --state.first_recording;
  state.tapes.erase(it);
}

void Tape::Watch(const Tensor& x) {
  PALIMPSEST_CHECK(active_)
      << "this tape has given its gradient; make it persistent to go on recording";
  PALIMPSEST_CHECK(IsFloat(x.dtype())) << "no gradient with respect to " << x;
  tracked_.insert(x.id());
}

void Tape::Watch(absl::Span<const Tensor> xs) {
  for (const Tensor& x : xs) Watch(x);
}

void Tape::Watch(const NamedTensors& xs) {
  for (const auto& [name, x] : xs) Watch(x);
}

Tensors Tape::Gradient(absl::Span<const Tensor> ys, absl::Span<const Tensor> sources,
                       absl::Span<const Tensor> dys) {
  const OpScope backward("backward");
  PALIMPSEST_CHECK(active_) << "this tape has given its gradient; make it persistent for several";
  PALIMPSEST_CHECK(dys.empty() || dys.size() == ys.size())
      << ys.size() << " outputs, " << dys.size() << " cotangents";
  const bool persistent = lifetime_ == Lifetime::kPersistent;
  absl::flat_hash_set<uint64_t> wanted;
  for (const Tensor& s : sources) wanted.insert(s.id());
  absl::flat_hash_map<uint64_t, Tensor> grads, results;
  const auto add = [&](uint64_t id, Tensor dx) {
    Tensor& sum = grads[id];
    sum = sum ? Accumulate(std::exchange(sum, {}), dx) : std::move(dx);
  };
  for (size_t i = 0; i < ys.size(); ++i) {
    const Tensor dy =
        dys.empty() ? Tensor::Full(ys[i].shape(), 1.0, ys[i].dtype(), ys[i].device()) : dys[i];
    PALIMPSEST_CHECK(dy.shape() == ys[i].shape() && dy.dtype() == ys[i].dtype())
        << "cotangent " << dy << " of " << ys[i];
    add(ys[i].id(), dy);
  }
  in_gradient_ = true;
  if (!persistent) Deactivate();
  for (size_t n = nodes_.size(); n-- > 0;) {
    Node& node = nodes_[n];
    Tensors out_dys;
    bool reached = false;
    for (uint64_t out : node.outs) {
      const auto it = grads.find(out);
      out_dys.push_back(it == grads.end() ? Tensor() : std::move(it->second));
      if (it == grads.end()) continue;
      grads.erase(it);
      reached = true;
      if (wanted.contains(out)) results[out] = out_dys.back();
    }
    if (reached) {
      const OpScope scope(node.op);
      const auto take = [&](size_t i) {
        const auto it = grads.find(node.inputs[i]);
        if (it == grads.end()) return Tensor();
        Tensor sum = std::move(it->second);
        grads.erase(it);
        return sum;
      };
      Tensors dxs = node.vjp(out_dys, take);
      out_dys.clear();
      Recorder::Look("the gradient of ", dxs);
      PALIMPSEST_CHECK(dxs.size() == node.inputs.size())
          << dxs.size() << " gradients for " << node.inputs.size() << " inputs";
      for (size_t i = 0; i < dxs.size(); ++i) {
        if (!dxs[i] || node.inputs[i] == 0) continue;
        PALIMPSEST_CHECK(dxs[i].shape() == node.shapes[i])
            << "gradient " << dxs[i] << " for an input " << node.shapes[i];
        add(node.inputs[i], std::move(dxs[i]));
      }
    }
    if (!persistent) nodes_.pop_back();
  }
  in_gradient_ = false;
  Tensors out;
  for (const Tensor& s : sources) {
    Tensor g;
    if (auto it = results.find(s.id()); it != results.end()) g = it->second;
    if (auto it = grads.find(s.id()); it != grads.end()) g = it->second;
    out.push_back(g ? g : Tensor::Full(s.shape(), 0.0, s.dtype(), s.device()));
    const auto is_dy = [&](const Tensor& dy) { return dy.id() == out.back().id(); };
    // A cotangent passed through is still the caller's.
    if (persistent && std::none_of(dys.begin(), dys.end(), is_dy))
      own_gradients_.insert(out.back().id());
  }
  return out;
}

Tensors Tape::Gradient(const Tensor& y, absl::Span<const Tensor> sources, Tensor dy) {
  return Gradient(absl::MakeConstSpan(&y, 1), sources,
                  dy ? absl::MakeConstSpan(&dy, 1) : absl::Span<const Tensor>());
}

NamedTensors Tape::Gradient(const Tensor& y, const NamedTensors& sources) {
  Tensors xs;
  for (const auto& [name, x] : sources) xs.push_back(x);
  Tensors dxs = Gradient(y, xs);
  NamedTensors named;
  size_t i = 0;
  for (const auto& [name, x] : sources) named.emplace(name, std::move(dxs[i++]));
  return named;
}

bool IsTracked(const Tensor& x) {
  return std::any_of(state.tapes.begin(), state.tapes.end(), [&](Tape* t) { return t->Tracks(x); });
}

Tensors RunUnrecorded(absl::FunctionRef<Tensors()> f, Tensors* captured) {
  Capture capture;
  const size_t first_recording = std::exchange(state.first_recording, state.tapes.size());
  Capture* const outer = std::exchange(state.capture, captured != nullptr ? &capture : nullptr);
  Tensors outs = f();
  state.first_recording = first_recording;
  state.capture = outer;
  if (captured != nullptr)
    captured->insert(captured->end(), capture.captured.begin(), capture.captured.end());
  return outs;
}

bool AllFinite(const Tensor& x) {
  if (!IsFloat(x.dtype())) return true;
  const std::vector<double> values = x.ToVector();
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

FiniteWatch::FiniteWatch() : outer_(std::exchange(state.watch, this)) {}
FiniteWatch::~FiniteWatch() { state.watch = outer_; }

void FiniteWatch::Look(const char* what, const char* op, const Tensor& x) {
  if (first_.empty() && !AllFinite(x)) first_ = absl::StrCat(what, op, " gave ", Describe(x));
}

}  // namespace palimpsest
