#include "memory_rules/linear_memory.h"

#include <utility>

#include "memory_rules/linear_scan.h"
#include "ops/linalg.h"

namespace palimpsest {

State LinearMemory::Init(const MemoryDims& d, DType dtype, const RandomStream&) const {
  return {Tensor::Full({d.batch, d.value, d.key}, 0.0, dtype)};
}

Tensor LinearMemory::Read(const State& state, const Tensor& q) const {
  return MatMul(q, state[0], {.b = true});
}

ScanResult LinearMemory::Chunk(const Rows& chunk, const State& state, const State& anchor) const {
  const LinearUpdate update = Update(chunk, anchor);
  const ChunkDecay decay(update);
  const LinearChunk m(update, decay, state[0]);
  return {reads_before_write() ? m.ApplyBefore(chunk.q) : m.Apply(chunk.q), {m.Last()}};
}

ScanResult LinearMemory::Chunks(const Sequence& seq, State state, State anchor, int64_t chunk,
                                int64_t phase) const {
  if (!anchored() && !reads_before_write()) {
    const LinearUpdate update = Update({seq.q, seq.k, seq.v, seq.gates}, {});
    if (LinearScanFuses(update)) {
      auto [y, last] = LinearScan(update, seq.q, state[0], chunk);
      return {std::move(y), {std::move(last)}};
    }
  }
  return MemoryRule::Chunks(seq, std::move(state), std::move(anchor), chunk, phase);
}

}  // namespace palimpsest
