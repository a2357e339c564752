#include "memory_rules/chunk_memory.h"

#include <utility>

#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"

namespace palimpsest {

std::vector<std::string> ChunkMemory::state_names() const {
  std::vector<std::string> names;
  for (const char* tensor : {"W", "S"}) {
    for (int i = 1; i <= num_weights(); ++i) names.push_back(tensor + std::to_string(i));
  }
  for (std::string& name : more_names()) names.push_back(std::move(name));
  return names;
}

State ChunkMemory::Init(const MemoryDims& dims, DType dtype, const RandomStream& stream) const {
  Parts parts{InitWeights(dims, dtype, stream), {}, {}};
  for (const Tensor& w : parts.w) parts.s.push_back(Tensor::Full(w.shape(), 0.0, dtype));
  parts.more = InitMore(parts.w, dims, dtype);
  return Join(parts);
}

ChunkMemory::Parts ChunkMemory::Split(const State& state) const {
  const auto w = state.begin(), s = w + num_weights(), more = s + num_weights();
  return {{w, s}, {s, more}, {more, state.end()}};
}

State ChunkMemory::Join(const Parts& parts) {
  State state = parts.w;
  state.insert(state.end(), parts.s.begin(), parts.s.end());
  state.insert(state.end(), parts.more.begin(), parts.more.end());
  return state;
}

ChunkMemory::Measured ChunkMemory::Measure(const Parts& parts, const Tensor& k, const Tensor& v,
                                           const Gates& gates) const {
  const bool first_order = this->first_order();
  Tensors w = parts.w;
  for (Tensor& x : w) x = first_order ? x.Detach() : x;
  const Tensor key = first_order ? k.Detach() : k;
  Measured m;
  m.gradient = InnerGradient(SharedWeights(std::move(w), parts.more), [&](const Weights& at) {
    m.y = Forward(at, key);
    return Loss(m.y, v, gates);
  });
  return m;
}

State ChunkMemory::After(const Parts& parts, const InnerFactors& g, const Gates& gates,
                         int64_t n) const {
  Parts next{parts.w, {}, Advance(parts.more, gates, n)};
  for (int i = 0; i < num_weights(); ++i) {
    const std::string gate = rate(i);
    const Tensor left = gate.empty() ? g.left[i] : Mul(Column(gates.at(gate)), g.left[i]);
    next.s.push_back(Sub(parts.s[i], MatMul(left, g.right[i], {.a = true})));
  }
  return Join(next);
}

State ChunkMemory::Step(const State& state, const State&, const Block& x) const {
  const Parts parts = Split(state);
  return After(parts, Measure(parts, x.k, x.v, x.gates).gradient, x.gates, 1);
}

Tensor ChunkMemory::Read(const State& state, const Tensor& q) const {
  Parts parts = Split(state);
  if (const Tensor scale = Scale(parts.more, 0)) {
    for (size_t i = 0; i < parts.w.size(); ++i)
      parts.w[i] = Add(parts.w[i], Mul(scale, parts.s[i]));
  }
  return Forward(SharedWeights(std::move(parts.w), parts.more), q);
}

State ChunkMemory::EndChunk(State state, const State&) const {
  Parts parts = Split(state);
  Write(parts.w, parts.s, parts.more);
  return Join(parts);
}

ScanResult ChunkMemory::Chunk(const Rows& chunk, const State& state, const State&) const {
  const Parts parts = Split(state);
  const auto [g, y_of_keys] = Measure(parts, chunk.k, chunk.v, chunk.gates);
  const int64_t n = chunk.k.dim(1);
  State next = After(parts, g, chunk.gates, n);
  const Tensor scale = Scale(parts.more, n);
  if (!scale && !first_order() && chunk.q.id() == chunk.k.id()) return {y_of_keys, std::move(next)};
  if (!scale) return {Forward(SharedWeights(parts.w, parts.more), chunk.q), std::move(next)};

  // W + scale_t (S + the steps up to t), as a recurrence's tables.
  const Tensor ones = Tensor::Full({1, n, 1}, 1.0, scale.dtype(), scale.device());
  const DecayProducts all(Tensor::Full({1, n}, 0.0, scale.dtype(), scale.device()));
  const Tensor writes = Mul(scale, all.between);
  const ChunkDecay decay(ChunkTables{ones, scale, writes, writes});
  std::vector<LinearUpdate> updates;
  for (int i = 0; i < num_weights(); ++i) {
    updates.push_back({.write = {Neg(g.left[i]), chunk.gates.at(rate(i))}, .key = g.right[i]});
  }
  std::vector<LinearChunk> weights;
  for (int i = 0; i < num_weights(); ++i)
    weights.emplace_back(updates[i], decay, parts.w[i], parts.s[i]);
  return {Forward(WeightsOfChunk(weights, parts.more, /*before=*/false), chunk.q), std::move(next)};
}

}  // namespace palimpsest
