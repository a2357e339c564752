#ifndef MEMORY_RULES_MLP_LEVEL_H_
#define MEMORY_RULES_MLP_LEVEL_H_

#include <string>
#include <vector>

#include "memory_rules/chunk_memory.h"
#include "memory_rules/objective.h"

namespace palimpsest {

struct MlpLevelOptions {
  enum class Network { kSwiglu, kGelu, kRelu };
  Network network = Network::kSwiglu;
  Objective objective = Objective::kL2;  // Or kDot.
  bool average = false;                  // A chunk writes the mean of its tokens' steps.
  bool per_channel = false;              // eta weighs each channel of the value.
  bool first_order = false;              // See ChunkMemory.
  // A write moves a memory's weights, all together, by at most this share of their norm. 0: by any.
  double max_update = 0.0;
};

// A level of the Continuum Memory System (Behrouz et al. 2025, "Nested Learning", eq. 71): an MLP
// without biases that descends eta_t Loss(f(k_t), v_t), chunk by chunk:
//   W <- W - sum_chunk eta_t grad_W Loss(f(k_t), v_t)      at the chunk's end.
// eta is a gate, one number a token or one for each channel of the value. The weights are those of
// Mlp in nn/layers.h: gate (of kSwiglu), up, down.
class MlpLevel : public ChunkMemory {
 public:
  explicit MlpLevel(MlpLevelOptions options) : options_(options) {}

  // The state of a level that has these weights and has gathered nothing.
  static State Fresh(const Tensors& weights);
  Tensors WeightsOf(const State& state) const;       // [batch, out_i, in_i]
  static const Tensor& Updates(const State& state);  // Chunks written: [batch, 1, 1].
  static State WithUpdates(State state, const Tensor& updates);

  std::string equation() const override;
  std::string source() const override { return "CMS (Behrouz et al. 2025)"; }
  std::vector<GateSpec> gates() const override;
  int num_weights() const override;
  std::string rate(int) const override { return ""; }
  bool first_order() const override { return options_.first_order; }
  Tensor Forward(const Weights& w, const Tensor& x) const override;
  Tensor Loss(const Tensor& y, const Tensor& v, const Gates& gates) const override;
  Tensors InitWeights(const MemoryDims& dims, DType dtype,
                      const RandomStream& stream) const override;
  std::vector<std::string> more_names() const override { return {"tokens", "updates"}; }
  Tensors InitMore(const Tensors& weights, const MemoryDims& dims, DType dtype) const override;
  Tensors Advance(Tensors more, const Gates& gates, int64_t n) const override;
  Tensor Scale(const Tensors&, int64_t) const override { return {}; }
  void Write(Tensors& w, Tensors& s, Tensors& more) const override;

 private:
  Tensors Bounded(const Tensors& w, Tensors step) const;

  const MlpLevelOptions options_;
};

}  // namespace palimpsest

#endif  // MEMORY_RULES_MLP_LEVEL_H_
