#ifndef MEMORY_RULES_LINEAR_MEMORY_H_
#define MEMORY_RULES_LINEAR_MEMORY_H_

#include <optional>
#include <string>
#include <vector>

#include "memory_rules/linear_recurrence.h"
#include "memory_rules/rule.h"

namespace palimpsest {

// A rule whose state is one matrix M [value, key], and perhaps its momentum S, with an update
// linear in both. It states `Step` and, once more, the coefficients; the chunkwise form, fused or
// composed, and its gradients follow.
class LinearMemory : public MemoryRule {
 public:
  // The coefficients for all pairs. Where nothing depends on the anchor, `rows` may also come in
  // the public layout, [batch, time, heads, dim]: a rule is elementwise in everything but the last
  // axis.
  virtual LinearUpdate Update(const Rows& rows, const State& anchor) const = 0;
  virtual bool momentum() const { return false; }
  // Whether the state is M^T, which `Update` is about: then a key is [value], a write [key].
  virtual bool transposed() const { return false; }

  std::vector<std::string> state_names() const override;
  State Init(const MemoryDims& dims, DType dtype, const RandomStream& stream) const override;
  Tensor Read(const State& state, const Tensor& q) const override;
  ScanResult Chunk(const Rows& chunk, const State& state, const State& anchor) const override;
  ScanResult Chunks(const Sequence& seq, State state, State anchor, int64_t chunk,
                    int64_t phase) const override;
  std::optional<ScanResult> PackedChunks(const Sequence& seq, const State& state,
                                         int64_t chunk) const override;

 private:
  bool Fuses(const LinearUpdate& update) const;
  ScanResult RunFused(const LinearUpdate& update, const Tensor& q, const State& state,
                      int64_t chunk, const Tensor& cu_seqlens = {}) const;
  // The whole sequence by the fused kernel, if that has what the rule needs.
  std::optional<ScanResult> Fused(const Sequence& seq, const State& state, int64_t chunk) const;
};

}  // namespace palimpsest

#endif  // MEMORY_RULES_LINEAR_MEMORY_H_
