#include "memory_rules/rows.h"

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

template <typename Input>
Input SliceOf(const Input& x, int64_t begin, int64_t end) {
  const auto part = [&](const Tensor& t) { return Slice(t, 1, begin, end); };
  Input sliced{part(x.q), part(x.k), part(x.v), {}};
  for (const auto& [name, gate] : x.gates) sliced.gates[name] = part(gate);
  return sliced;
}

}  // namespace

Rows TimeSlice(const Rows& rows, int64_t begin, int64_t end) { return SliceOf(rows, begin, end); }
Sequence TimeSlice(const Sequence& seq, int64_t begin, int64_t end) {
  return SliceOf(seq, begin, end);
}

}  // namespace palimpsest
