#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "memory_rules/rows.h"
#include "memory_rules/rule.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

ScanResult StepThrough(const MemoryRule& rule, const Rows& chunk, State state,
                       const State& anchor) {
  Tensors ys;
  for (int64_t t = 0; t < chunk.q.dim(1); ++t) {
    Rows token = TimeSlice(chunk, t, t + 1);
    State next = rule.Step(state, anchor, {token.k, token.v, std::move(token.gates)});
    const ReadFrom from = rule.read_from();
    ys.push_back(rule.Read(from == ReadFrom::kAfterWrite    ? next
                           : from == ReadFrom::kBeforeWrite ? state
                                                            : anchor,
                           token.q));
    state = std::move(next);
  }
  return {Concat(ys, 1), std::move(state)};
}

// handle(rows, state, anchor) for each chunk of `seq`, the first of which may have begun before.
template <typename Handle>
ScanResult OverChunks(const MemoryRule& rule, const Sequence& seq, State state, State anchor,
                      int64_t chunk, int64_t phase, Handle handle) {
  const Rows rows = ToRows(seq);
  const int64_t time = rows.q.dim(1);
  Tensors ys;
  for (int64_t begin = 0; begin < time;) {
    const int64_t end = std::min(begin + chunk - phase, time);
    if (phase == 0) anchor = state;
    ScanResult r = handle(TimeSlice(rows, begin, end), state, anchor);
    ys.push_back(std::move(r.y));
    state = std::move(r.state);
    if (phase + end - begin == chunk) state = rule.EndChunk(std::move(state), anchor);
    phase = 0;
    begin = end;
  }
  return {FromRows(Concat(ys, 1), seq.v.dim(0), seq.v.dim(2)), std::move(state),
          rule.anchored() ? std::move(anchor) : State()};
}

void CheckSequence(const MemoryRule& rule, const Sequence& s, const State& state) {
  const auto describe = [&](std::ostream& os) -> std::ostream& {
    os << "q " << s.q << ", k " << s.k << ", v " << s.v;
    for (const auto& [name, gate] : s.gates) os << ", " << name << " " << gate;
    return os;
  };
  std::ostringstream shapes;
  describe(shapes);
  const int64_t pairs = rule.pairs();
  PALIMPSEST_CHECK(s.q.rank() == 4 && s.k.rank() == 4 && s.v.rank() == 4 &&
                   s.k.shape() == Shape({s.q.dim(0), s.q.dim(1) * pairs, s.q.dim(2), s.q.dim(3)}) &&
                   s.k.dim(0) == s.v.dim(0) && s.k.dim(1) == s.v.dim(1) && s.q.dim(2) > 0 &&
                   s.v.dim(2) % s.q.dim(2) == 0)
      << "[batch, time, heads, dim] expected, " << pairs
      << " k and v a token, value heads a multiple of key heads: " << shapes.str();
  PALIMPSEST_CHECK(!state.empty()) << "no state: a fresh one is the rule's Init";
  const std::vector<GateSpec> specs = rule.gates();
  PALIMPSEST_CHECK(specs.size() == s.gates.size())
      << specs.size() << " gates expected: " << shapes.str();
  for (const GateSpec& spec : specs) {
    Shape expected = {s.v.dim(0), (spec.per_token ? s.q : s.v).dim(1), s.v.dim(2)};
    if (spec.scope == GateScope::kKeyChannel) expected.push_back(s.k.dim(3));
    if (spec.scope == GateScope::kValueChannel) expected.push_back(s.v.dim(3));
    const auto gate = s.gates.find(spec.name);
    PALIMPSEST_CHECK(gate != s.gates.end() && gate->second.shape() == expected &&
                     gate->second.dtype() == state[0].dtype())
        << "gate " << spec.name << " of " << state[0].dtype() << " " << expected
        << " expected: " << shapes.str();
  }
}

// Each key head once for every value head it serves.
Tensor SpreadHeads(const Tensor& x, int64_t heads) {
  const int64_t groups = x.dim(2);
  if (groups == heads) return x;
  const Shape grouped = {x.dim(0), x.dim(1), groups, 1, x.dim(3)};
  const Shape spread = {x.dim(0), x.dim(1), groups, heads / groups, x.dim(3)};
  return Reshape(BroadcastTo(Reshape(x, grouped), spread), {x.dim(0), x.dim(1), heads, x.dim(3)});
}

// Makes what rules see: one dtype, one number of heads. Keys that are the queries stay so.
Sequence Prepared(const Sequence& seq, DType dtype) {
  const int64_t heads = seq.v.dim(2);
  const auto cast = [&](const Tensor& x) { return x.dtype() == dtype ? x : Cast(x, dtype); };
  return {SpreadHeads(cast(seq.q), heads), SpreadHeads(cast(seq.k), heads), cast(seq.v), seq.gates};
}

ScanResult ScanOne(const MemoryRule& rule, const Sequence& seq, State state, const ScanOptions& o) {
  const int64_t batch = seq.v.dim(0) * seq.v.dim(2);
  for (const Tensor& s : state) {
    PALIMPSEST_CHECK(s.rank() > 0 && s.dim(0) == batch)
        << "state " << s << " for " << batch << " memories: v " << seq.v;
  }
  State anchor = o.phase == 0 ? state : o.anchor;
  if (seq.q.dim(1) == 0)
    return {seq.v, std::move(state), rule.anchored() ? std::move(anchor) : State()};
  if (o.mode == ScanMode::kChunks)
    return rule.Chunks(seq, std::move(state), std::move(anchor), o.chunk, o.phase);
  return OverChunks(rule, seq, std::move(state), std::move(anchor), o.chunk, o.phase,
                    [&](const Rows& chunk, const State& from, const State& at) {
                      return StepThrough(rule, chunk, from, at);
                    });
}

// Joins, tensor by tensor, what the packed sequences ended in.
State Stack(const std::vector<State>& states) {
  State stacked;
  for (size_t i = 0; i < states[0].size(); ++i) {
    Tensors parts;
    for (const State& s : states) parts.push_back(s[i]);
    stacked.push_back(Concat(parts, 0));
  }
  return stacked;
}

State StateRows(const State& state, int64_t begin, int64_t end) {
  State rows;
  for (const Tensor& s : state) rows.push_back(Slice(s, 0, begin, end));
  return rows;
}

ScanResult ScanPacked(const MemoryRule& rule, const Sequence& seq, const Tensor& cu_seqlens,
                      const State& state, const ScanOptions& options) {
  const std::vector<double> bounds = cu_seqlens.ToVector();
  const int64_t time = seq.q.dim(1), heads = seq.v.dim(2),
                sequences = static_cast<int64_t>(bounds.size()) - 1;
  PALIMPSEST_CHECK(seq.v.dim(0) == 1 && sequences >= 1 && bounds.front() == 0 &&
                   bounds.back() == time && std::is_sorted(bounds.begin(), bounds.end()))
      << "cu_seqlens " << cu_seqlens << " must rise from 0 to time, in a batch of one: v " << seq.v;
  PALIMPSEST_CHECK(options.phase == 0)
      << "packed sequences begin at a chunk's start, not at phase " << options.phase;
  for (const Tensor& s : state) {
    PALIMPSEST_CHECK(s.rank() > 0 && s.dim(0) == sequences * heads)
        << "state " << s << " for " << sequences << " sequences of " << heads << " heads";
  }
  Tensors ys;
  std::vector<State> states, anchors;
  for (int64_t i = 0; i < sequences; ++i) {
    const Sequence one =
        TimeSlice(seq, static_cast<int64_t>(bounds[i]), static_cast<int64_t>(bounds[i + 1]));
    ScanResult r = ScanOne(rule, one, StateRows(state, i * heads, (i + 1) * heads), options);
    ys.push_back(std::move(r.y));
    states.push_back(std::move(r.state));
    anchors.push_back(std::move(r.anchor));
  }
  return {Concat(ys, 1), Stack(states), Stack(anchors)};
}

}  // namespace

ScanResult MemoryRule::Chunk(const Rows& chunk, const State& state, const State& anchor) const {
  return StepThrough(*this, chunk, state, anchor);
}

ScanResult MemoryRule::Chunks(const Sequence& seq, State state, State anchor, int64_t chunk,
                              int64_t phase) const {
  return OverChunks(
      *this, seq, std::move(state), std::move(anchor), chunk, phase,
      [&](const Rows& rows, const State& from, const State& at) { return Chunk(rows, from, at); });
}

ScanResult Scan(const MemoryRule& rule, const Sequence& seq, State state,
                const ScanOptions& options) {
  const OpScope scope("scan");
  CheckSequence(rule, seq, state);
  PALIMPSEST_CHECK(options.chunk > 0 && options.phase >= 0 && options.phase < options.chunk)
      << "phase " << options.phase << " of a chunk of " << options.chunk;
  PALIMPSEST_CHECK(options.phase == 0 || !rule.anchored() || options.anchor.size() == state.size())
      << "to continue inside a chunk this rule needs the anchor that was returned with the state";
  const Sequence prepared = rule.Prepare(Prepared(seq, state[0].dtype()));
  ScanResult r = seq.cu_seqlens ? ScanPacked(rule, prepared, seq.cu_seqlens, state, options)
                                : ScanOne(rule, prepared, std::move(state), options);
  if (r.y.dtype() != seq.v.dtype()) r.y = Cast(r.y, seq.v.dtype());
  return r;
}

}  // namespace palimpsest
