#ifndef NN_MEMORY_LAYER_H_
#define NN_MEMORY_LAYER_H_

#include <memory>
#include <string>
#include <vector>

#include "memory_rules/rule.h"
#include "nn/gate.h"
#include "nn/initial_state.h"
#include "nn/mixer.h"
#include "nn/projection.h"

namespace palimpsest {

// Fast weights as a token mixer, for any rule, from its gates alone:
//   q, k, v = silu(conv(W x)), q and k of unit length;  gates: see GateLayer
//   y = scan of the rule;  o = W_o (RMSNorm(y) per head * silu(W_g x))
// Persistent tokens are written first, before any of the sequence. State: "memory.i", the rule's
// tensors [batch value_heads, ...]; "anchor.i", for an anchored rule, those of the chunk's start;
// the convolutions' tails.
class MemoryLayer : public Mixer {
 public:
  // `config` is resolved, so its rule exists.
  MemoryLayer(const ParamInit& init, const ModelConfig& model, const ModelConfig::Memory& config);

  void ForEachParam(const std::string& path, ParamVisitor visit) override;
  NamedTensors InitState(int64_t batch) const override;
  int64_t StateBytes(int64_t time) const override;
  MixerResult Forward(const MixerInput& in) const override;

  // Reads every token of x from "memory.i" of `state` as it stands, and writes nothing. `tails` has
  // the tail of the queries' convolution and is taken to that after x.
  Tensor Recall(const Tensor& x, const NamedTensors& state, NamedTensors& tails) const;
  NamedTensors InitRecallTails(int64_t batch) const;
  NamedTensors Weights(const NamedTensors& state) const;  // The "memory.i" of it.
  int64_t WeightBytes() const;

 private:
  Tensor Queries(const Tensor& x, NamedTensors& tails) const;
  // A token's pairs one after another: [batch, time pairs, heads, dim].
  Tensor ByPairs(const Projection& projection, int64_t heads, const Tensor& x,
                 NamedTensors& tails) const;
  Tensor Unit(const Tensor& x) const;
  Tensor Output(const Tensor& y, const Tensor& x) const;
  NamedTensors FreshState(int64_t batch) const;

  ModelConfig::Memory config_;
  std::unique_ptr<MemoryRule> rule_;
  Projection q_, k_, v_;
  Linear o_;
  OutputGate g_;
  std::vector<GateLayer> gates_;
  InitialState initial_;
  NormLayer o_norm_;
  Tensor persistent_;  // [persistent, width]
};

}  // namespace palimpsest

#endif  // NN_MEMORY_LAYER_H_
