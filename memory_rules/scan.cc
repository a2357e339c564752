#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
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
  for (Rows& token : SplitTokens(chunk, std::vector<int64_t>(chunk.q.dim(1), 1))) {
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
  std::vector<int64_t> tokens = {std::min(chunk - phase, seq.q.dim(1))};
  for (int64_t left = seq.q.dim(1) - tokens[0]; left > 0; left -= tokens.back())
    tokens.push_back(std::min(chunk, left));
  Tensors ys;
  for (const Rows& rows : SplitTokens(ToRows(seq), tokens)) {
    if (phase == 0) anchor = state;
    ScanResult r = handle(rows, state, anchor);
    ys.push_back(std::move(r.y));
    state = std::move(r.state);
    if (phase + rows.q.dim(1) == chunk) state = rule.EndChunk(std::move(state), anchor);
    phase = 0;
  }
  return {FromRows(Concat(ys, 1), seq.v.dim(0), seq.v.dim(2)), std::move(state),
          rule.anchored() ? std::move(anchor) : State()};
}

std::string Shapes(const Sequence& s) {
  std::ostringstream shapes;
  shapes << "q " << s.q << ", k " << s.k << ", v " << s.v;
  for (const auto& [name, gate] : s.gates) shapes << ", " << name << " " << gate;
  return shapes.str();
}

absl::Status ValidateTokens(const MemoryRule& rule, const Sequence& s) {
  const int64_t pairs = rule.pairs();
  if (s.q.rank() == 4 && s.k.rank() == 4 && s.v.rank() == 4 &&
      s.k.shape() == Shape({s.q.dim(0), s.q.dim(1) * pairs, s.q.dim(2), s.q.dim(3)}) &&
      s.k.dim(0) == s.v.dim(0) && s.k.dim(1) == s.v.dim(1) && s.q.dim(2) > 0 &&
      s.v.dim(2) % s.q.dim(2) == 0)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("[batch, time, heads, dim] expected, ", pairs,
                   " k and v a token, value heads a multiple of key heads: ", Shapes(s)));
}

absl::Status ValidateGates(const MemoryRule& rule, const Sequence& s, DType dtype) {
  const std::vector<GateSpec> specs = rule.gates();
  if (specs.size() != s.gates.size())
    return absl::InvalidArgumentError(absl::StrCat(specs.size(), " gates expected: ", Shapes(s)));
  for (const GateSpec& spec : specs) {
    Shape expected = {s.v.dim(0), (spec.per_token ? s.q : s.v).dim(1), s.v.dim(2)};
    if (spec.scope == GateScope::kKeyChannel) expected.push_back(s.k.dim(3));
    if (spec.scope == GateScope::kValueChannel) expected.push_back(s.v.dim(3));
    const auto gate = s.gates.find(spec.name);
    if (gate != s.gates.end() && gate->second.shape() == expected && gate->second.dtype() == dtype)
      continue;
    return absl::InvalidArgumentError(absl::StrCat("gate ", spec.name, " of ",
                                                   std::string(NameOf(dtype)), " ",
                                                   ToString(expected), " expected: ", Shapes(s)));
  }
  return absl::OkStatus();
}

// Of `memories` in the first axis.
absl::Status ValidateState(const Sequence& s, const State& state, int64_t memories) {
  for (const Tensor& x : state) {
    if (x.rank() > 0 && x.dim(0) == memories) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("state ", Describe(x), " for ", memories, " memories: ", Shapes(s)));
  }
  return absl::OkStatus();
}

// How many sequences are packed, or the batch.
absl::StatusOr<int64_t> Sequences(const Sequence& s) {
  if (!s.cu_seqlens) return s.v.dim(0);
  const std::vector<double> bounds = s.cu_seqlens.ToVector();
  if (s.v.dim(0) == 1 && bounds.size() > 1 && bounds.front() == 0 &&
      bounds.back() == static_cast<double>(s.q.dim(1)) &&
      std::is_sorted(bounds.begin(), bounds.end()))
    return static_cast<int64_t>(bounds.size()) - 1;
  return absl::InvalidArgumentError(
      absl::StrCat("cu_seqlens ", Describe(s.cu_seqlens),
                   " must rise from 0 to time, in a batch of one: ", Shapes(s)));
}

// Each key head once for every value head it serves.
Tensor SpreadHeads(const Tensor& x, int64_t heads) {
  const int64_t groups = x.dim(2);
  if (groups == heads) return x;
  const Shape grouped = {x.dim(0), x.dim(1), groups, 1, x.dim(3)};
  const Shape spread = {x.dim(0), x.dim(1), groups, heads / groups, x.dim(3)};
  return Reshape(BroadcastTo(Reshape(x, grouped), spread), {x.dim(0), x.dim(1), heads, x.dim(3)});
}

// Makes what rules see: one dtype, one number of heads, and what the rule makes of that. Keys that
// are the queries stay so.
Sequence Prepared(const MemoryRule& rule, const Sequence& seq, DType dtype) {
  const int64_t heads = seq.v.dim(2);
  const auto cast = [&](const Tensor& x) { return x.dtype() == dtype ? x : Cast(x, dtype); };
  const Tensor q = SpreadHeads(seq.q, heads), k = SpreadHeads(seq.k, heads);
  Sequence prepared = {cast(q), cast(k), cast(seq.v), seq.gates, seq.cu_seqlens};
  const Tensors given = {q, k, seq.v}, wide = {prepared.q, prepared.k, prepared.v};
  prepared = rule.Prepare(std::move(prepared));
  const bool narrow = std::all_of(given.begin(), given.end(),
                                  [](const Tensor& x) { return x.dtype() == DType::kBf16; });
  const Tensor* const made[] = {&prepared.q, &prepared.k, &prepared.v};
  for (size_t i = 0; narrow && i < given.size(); ++i) {
    const bool as_given = made[i]->id() == wide[i].id();
    prepared.narrow.push_back(as_given ? given[i] : Cast(*made[i], DType::kBf16));
  }
  return prepared;
}

ScanResult ScanOne(const MemoryRule& rule, const Sequence& seq, State state, const ScanOptions& o) {
  // A rule that has no anchor, and uses it all the same, finds the state.
  State anchor = o.phase == 0 || o.anchor.empty() ? state : o.anchor;
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

ScanResult ScanPacked(const MemoryRule& rule, const Sequence& seq, const State& state,
                      const ScanOptions& options) {
  if (options.mode == ScanMode::kChunks) {
    std::optional<ScanResult> all = rule.PackedChunks(seq, state, options.chunk);
    if (all) return *std::move(all);
  }
  const std::vector<double> bounds = seq.cu_seqlens.ToVector();
  std::vector<int64_t> tokens;
  for (size_t i = 1; i < bounds.size(); ++i)
    tokens.push_back(static_cast<int64_t>(bounds[i] - bounds[i - 1]));
  const std::vector<int64_t> heads(tokens.size(), seq.v.dim(2));
  std::vector<State> from(tokens.size());
  for (const Tensor& s : state) {
    Tensors parts = Split(s, heads, 0);
    for (size_t i = 0; i < from.size(); ++i) from[i].push_back(std::move(parts[i]));
  }
  Tensors ys;
  std::vector<State> states, anchors;
  for (const Sequence& one : SplitTokens(seq, tokens)) {
    ScanResult r = ScanOne(rule, one, std::move(from[ys.size()]), options);
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

absl::Status ValidateScan(const MemoryRule& rule, const Sequence& seq, const State& state,
                          const ScanOptions& o) {
  if (state.empty()) return absl::InvalidArgumentError("no state: a fresh one is the rule's Init");
  if (absl::Status s = ValidateTokens(rule, seq); !s.ok()) return s;
  if (absl::Status s = ValidateGates(rule, seq, state[0].dtype()); !s.ok()) return s;
  const absl::StatusOr<int64_t> sequences = Sequences(seq);
  if (!sequences.ok()) return sequences.status();
  if (absl::Status s = ValidateState(seq, state, *sequences * seq.v.dim(2)); !s.ok()) return s;
  if (o.chunk <= 0 || o.phase < 0 || o.phase >= o.chunk)
    return absl::InvalidArgumentError(absl::StrCat("phase ", o.phase, " of a chunk of ", o.chunk));
  if (o.phase != 0 && seq.cu_seqlens)
    return absl::InvalidArgumentError(
        absl::StrCat("packed sequences begin at a chunk's start, not at phase ", o.phase));
  if (o.phase != 0 && rule.anchored() && o.anchor.size() != state.size())
    return absl::InvalidArgumentError(
        "to continue inside a chunk this rule needs the anchor that was returned with the state");
  return absl::OkStatus();
}

ScanResult Scan(const MemoryRule& rule, const Sequence& seq, State state,
                const ScanOptions& options) {
  const OpScope scope("scan");
  const absl::Status valid = ValidateScan(rule, seq, state, options);
  PALIMPSEST_CHECK(valid.ok()) << valid.message();
  const Sequence prepared = Prepared(rule, seq, state[0].dtype());
  ScanResult r = seq.cu_seqlens ? ScanPacked(rule, prepared, state, options)
                                : ScanOne(rule, prepared, std::move(state), options);
  if (r.y.dtype() != seq.v.dtype()) r.y = Cast(r.y, seq.v.dtype());
  return r;
}

Tensor Recall(const MemoryRule& rule, const State& state, const Tensor& q) {
  const OpScope scope("recall");
  PALIMPSEST_CHECK(!state.empty() && q.rank() == 4 && q.dim(0) * q.dim(2) > 0 &&
                   state[0].dim(0) % (q.dim(0) * q.dim(2)) == 0)
      << "q " << q << " of " << (state.empty() ? std::string("no") : Describe(state[0]))
      << " state";
  const int64_t heads = state[0].dim(0) / q.dim(0);
  const DType dtype = state[0].dtype();
  const Tensor rows = FoldHeads(SpreadHeads(q.dtype() == dtype ? q : Cast(q, dtype), heads));
  const Tensor y = FromRows(rule.Read(state, rows), q.dim(0), heads);
  return y.dtype() == q.dtype() ? y : Cast(y, q.dtype());
}

}  // namespace palimpsest
