#include "memory_rules/rows.h"

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

// `tokens` is their number in all: what is longer has several entries a token.
Tensor Tokens(const Tensor& x, int64_t tokens, int64_t begin, int64_t end) {
  const int64_t each = tokens == 0 ? 1 : x.dim(1) / tokens;
  return Slice(x, 1, begin * each, end * each);
}

template <typename Input>
Input SliceOf(const Input& x, int64_t begin, int64_t end) {
  const auto part = [&](const Tensor& t) { return Tokens(t, x.q.dim(1), begin, end); };
  Input sliced{part(x.q), part(x.k), part(x.v), {}};
  for (const auto& [name, gate] : x.gates) sliced.gates[name] = part(gate);
  return sliced;
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

Rows TimeSlice(const Rows& rows, int64_t begin, int64_t end) { return SliceOf(rows, begin, end); }
Sequence TimeSlice(const Sequence& seq, int64_t begin, int64_t end) {
  return SliceOf(seq, begin, end);
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
