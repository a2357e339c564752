#ifndef MEMORY_RULES_TTT_MEMORY_H_
#define MEMORY_RULES_TTT_MEMORY_H_

#include <string>
#include <vector>

#include "memory_rules/chunk_memory.h"
#include "memory_rules/registry.h"

namespace palimpsest {

// Test-time training (Sun et al. 2024, "Learning to (Learn at Test Time)"): a network of one or two
// layers with biases that descends |LN(net(k)) - (v - k)|^2 / 2 and reads f(q) = q + LN(net(q)),
// with a LayerNorm whose gain is learnt but not written. By chunks, of which token t reads
//   W - scale_t sum_{j <= t} theta_j dLoss_j/dW at the chunk's start,   scale_t = 1/t or 1.
// q and k are cut or padded with zeros to the size of a value.
class TttMemory : public ChunkMemory {
 public:
  TttMemory(const RuleParams& params, int layers);

  std::string equation() const override;
  std::string source() const override { return "TTT (Sun et al. 2024)"; }
  std::vector<GateSpec> gates() const override;
  int num_weights() const override { return 2 * layers_; }
  std::string rate(int) const override { return "theta"; }
  Tensor Forward(const Weights& w, const Tensor& x) const override;
  Tensor Loss(const Tensor& y, const Tensor& v, const Gates&) const override;
  Tensors InitWeights(const MemoryDims& dims, DType dtype,
                      const RandomStream& stream) const override;
  std::vector<std::string> more_names() const override { return {"gain", "tokens"}; }
  Tensors InitMore(const Tensors& weights, const MemoryDims& dims, DType dtype) const override;
  Tensors Advance(Tensors more, const Gates& gates, int64_t n) const override;
  Tensor Scale(const Tensors& more, int64_t n) const override;
  void Write(Tensors& w, Tensors& s, Tensors& more) const override;

 private:
  const int layers_;
  const double expansion_;
  const bool average_;
};

// average, and, of two layers, expansion.
std::vector<ParamSpec> TttParams(int layers);

}  // namespace palimpsest

#endif  // MEMORY_RULES_TTT_MEMORY_H_
