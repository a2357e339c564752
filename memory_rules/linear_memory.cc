#include "memory_rules/linear_memory.h"

#include <utility>
#include <vector>

#include "core/tape.h"
#include "memory_rules/linear_scan.h"
#include "memory_rules/rows.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"

namespace palimpsest {
namespace {

// In bf16 where the tokens came so: as they came, or what a rule made of them.
Tensor Narrowed(const Tensor& rows, const Sequence& seq) {
  if (!rows || seq.narrow.empty()) return rows;
  const Tensor* const wide[] = {&seq.q, &seq.k, &seq.v};
  for (size_t i = 0; i < seq.narrow.size(); ++i) {
    if (rows.id() == wide[i]->id()) return seq.narrow[i];
  }
  return Cast(rows, DType::kBf16);
}

// The bounds of packed sequences in pairs, given those in tokens; on the host.
Tensor InPairs(const Tensor& cu_seqlens, int64_t pairs) {
  if (!cu_seqlens || pairs == 1) return cu_seqlens;
  std::vector<double> bounds = cu_seqlens.ToVector();
  for (double& bound : bounds) bound *= static_cast<double>(pairs);
  return Tensor::FromVector(cu_seqlens.shape(), bounds, DType::kI64);
}

}  // namespace

std::vector<std::string> LinearMemory::state_names() const {
  return momentum() ? std::vector<std::string>{"M", "S"} : std::vector<std::string>{"M"};
}

State LinearMemory::Init(const MemoryDims& d, DType dtype, const RandomStream&) const {
  const Shape shape =
      transposed() ? Shape{d.batch, d.key, d.value} : Shape{d.batch, d.value, d.key};
  return State(momentum() ? 2 : 1, Tensor::Full(shape, 0.0, dtype));
}

Tensor LinearMemory::Read(const State& state, const Tensor& q) const {
  return MatMul(q, state[0], {.b = !transposed()});
}

bool LinearMemory::Fuses(const LinearUpdate& update) const {
  return !transposed() && read_from() == ReadFrom::kAfterWrite && !ComposedScope::Active() &&
         LinearScanFuses(update);
}

ScanResult LinearMemory::RunFused(const LinearUpdate& update, const Tensor& q, const State& state,
                                  int64_t chunk, const Tensor& cu_seqlens) const {
  ScanResult r = LinearScan(update, ForPairs(q, pairs()), state, chunk * pairs(),
                            InPairs(cu_seqlens, pairs()));
  r.y = AtTokens(r.y, pairs(), false);
  return r;
}

ScanResult LinearMemory::Chunk(const Rows& chunk, const State& state, const State& anchor) const {
  const LinearUpdate update = Update(chunk, anchor);
  if (Fuses(update)) return RunFused(update, chunk.q, state, chunk.q.dim(1));
  const ChunkDecay decay(update);
  const LinearChunk m(update, decay, state[0], momentum() ? state[1] : Tensor());
  const bool before = read_from() == ReadFrom::kBeforeWrite;
  const auto apply = [&](const Tensor& q) {
    if (transposed()) return before ? m.ApplyTransposedBefore(q) : m.ApplyTransposed(q);
    return before ? m.ApplyBefore(q) : m.Apply(q);
  };
  ScanResult r{AtTokens(apply(ForPairs(chunk.q, pairs())), pairs(), before), {m.Last()}};
  if (momentum()) r.state.push_back(m.LastMomentum());
  return r;
}

ScanResult LinearMemory::Chunks(const Sequence& seq, State state, State anchor, int64_t chunk,
                                int64_t phase) const {
  if (std::optional<ScanResult> r = Fused(seq, state, chunk)) return *std::move(r);
  return MemoryRule::Chunks(seq, std::move(state), std::move(anchor), chunk, phase);
}

std::optional<ScanResult> LinearMemory::PackedChunks(const Sequence& seq, const State& state,
                                                     int64_t chunk) const {
  return Fused(seq, state, chunk);
}

std::optional<ScanResult> LinearMemory::Fused(const Sequence& seq, const State& state,
                                              int64_t chunk) const {
  if (anchored()) return std::nullopt;
  LinearUpdate update = Update({seq.q, seq.k, seq.v, seq.gates}, {});
  if (!Fuses(update)) return std::nullopt;
  for (Tensor* rows : {&update.erase.rows, &update.write.rows, &update.key})
    *rows = Narrowed(*rows, seq);
  return RunFused(update, Narrowed(seq.q, seq), state, chunk, seq.cu_seqlens);
}

}  // namespace palimpsest
