#include "memory_rules/rows.h"

#include <utility>

#include "ops/broadcast.h"
#include "ops/layout.h"

namespace palimpsest {

Tensor FoldHeads(const Tensor& x) {
  const int64_t memories = x.dim(0) * x.dim(2), time = x.dim(1);
  if (x.rank() == 3) return Reshape(Permute(x, {0, 2, 1}), {memories, time});
  return Reshape(Permute(x, {0, 2, 1, 3}), {memories, time, x.dim(3)});
}

Tensor FromRows(const Tensor& y, int64_t batch, int64_t heads) {
  return Permute(Reshape(y, {batch, heads, y.dim(1), y.dim(2)}), {0, 2, 1, 3});
}

Rows ToRows(const Sequence& seq) {
  Rows rows{FoldHeads(seq.q), FoldHeads(seq.k), FoldHeads(seq.v), {}};
  for (const auto& [name, gate] : seq.gates) rows.gates[name] = FoldHeads(gate);
  return rows;
}

namespace {

// Of an input that has several entries a token where it is longer than q.
template <typename Input>
std::vector<Input> SplitInput(const Input& x, const std::vector<int64_t>& tokens) {
  std::vector<Input> parts(tokens.size());
  const auto split = [&](const Tensor& t, auto set) {
    const int64_t each = x.q.dim(1) == 0 ? 1 : t.dim(1) / x.q.dim(1);
    std::vector<int64_t> extents = tokens;
    for (int64_t& n : extents) n *= each;
    Tensors pieces = Split(t, extents, 1);
    for (size_t i = 0; i < parts.size(); ++i) set(parts[i], std::move(pieces[i]));
  };
  split(x.q, [](Input& part, Tensor t) { part.q = std::move(t); });
  split(x.k, [](Input& part, Tensor t) { part.k = std::move(t); });
  split(x.v, [](Input& part, Tensor t) { part.v = std::move(t); });
  for (const auto& [name, gate] : x.gates)
    split(gate, [&name = name](Input& part, Tensor t) { part.gates[name] = std::move(t); });
  return parts;
}

// Axis 1 as two: [batch, tokens, pairs, ...].
Shape Grouped(const Tensor& x, int64_t tokens, int64_t pairs) {
  Shape shape = {x.dim(0), tokens, pairs};
  shape.insert(shape.end(), x.shape().begin() + 2, x.shape().end());
  return shape;
}

Shape WithTime(const Tensor& x, int64_t time) {
  Shape shape = x.shape();
  shape[1] = time;
  return shape;
}

}  // namespace

std::vector<Rows> SplitTokens(const Rows& rows, const std::vector<int64_t>& tokens) {
  return SplitInput(rows, tokens);
}
std::vector<Sequence> SplitTokens(const Sequence& seq, const std::vector<int64_t>& tokens) {
  return SplitInput(seq, tokens);
}

Tensor ForPairs(const Tensor& x, int64_t pairs) {
  if (pairs == 1) return x;
  const int64_t tokens = x.dim(1);
  const Tensor spread = BroadcastTo(Reshape(x, Grouped(x, tokens, 1)), Grouped(x, tokens, pairs));
  return Reshape(spread, WithTime(x, tokens * pairs));
}

Tensor AtTokens(const Tensor& x, int64_t pairs, bool first) {
  if (pairs == 1) return x;
  const int64_t tokens = x.dim(1) / pairs, at = first ? 0 : pairs - 1;
  return Reshape(Slice(Reshape(x, Grouped(x, tokens, pairs)), 2, at, at + 1), WithTime(x, tokens));
}

Tensor Fitted(const Tensor& x, int64_t n) {
  const int64_t dim = x.dim(-1);
  return dim >= n ? Slice(x, -1, 0, n) : Pad(x, -1, 0, n - dim);
}

}  // namespace palimpsest
