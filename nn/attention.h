#ifndef NN_ATTENTION_H_
#define NN_ATTENTION_H_

#include <memory>

#include "nn/mixer.h"
#include "nn/projection.h"

namespace palimpsest {

// Causal softmax attention: q, k, v, o projections without bias, optional short convolutions,
// RMSNorm of q and k, RoPE, sliding window, grouped keys and values (Ainslie et al. 2023), learnt
// tokens in front of the first that every token sees (Behrouz et al. 2025, "Titans", eq. 19).
// State: "k", "v" [batch, persistent + seen, kv_heads, key_dim], of the tokens the last window - 1
// or, without a window, all; the convolutions' tails.
class Attention : public Mixer {
 public:
  // `config` is resolved.
  Attention(const ParamInit& init, const ModelConfig& model, const ModelConfig::Attention& config);

  void ForEachParam(const std::string& path, ParamVisitor visit) override;
  NamedTensors InitState(int64_t batch) const override;
  int64_t StateBytes(int64_t time) const override;
  MixerResult Forward(const MixerInput& in) const override;

  // The parts of Forward, for whoever attends to more than the tokens. x [batch, time, width] ->
  // [batch, time, heads, key_dim], as tokens from `position` on; `tails` are taken to those after.
  Tensor Queries(const Tensor& x, int64_t position, NamedTensors& tails) const;
  Tensor Keys(const Tensor& x, int64_t position, NamedTensors& tails) const;
  Tensor Values(const Tensor& x, NamedTensors& tails) const;
  // The keys are those of the persistent tokens, then those carried, then new ones.
  Tensor Attend(const Tensor& q, const Tensor& k, const Tensor& v) const;
  Tensor Output(const Tensor& y) const;  // [batch, time, heads, key_dim] -> [batch, time, width]
  NamedTensors InitTails(int64_t batch) const;
  // Of `keys` keys and their values.
  int64_t CacheBytes(int64_t keys) const;

 private:
  int64_t q_size() const { return config_.heads() * config_.key_dim(); }
  Tensor Normed(const NormLayer& norm, const Tensor& x) const;
  Tensor Placed(const Tensor& x, int64_t position) const;
  Tensor Seen(const Tensor& x) const;

  ModelConfig::Attention config_;
  DType dtype_;
  Device device_;
  Projection q_, k_, v_;
  Linear o_;
  NormLayer q_norm_, k_norm_;
  Tensor persistent_;  // [persistent, width]
};

// One before another along time.
Tensor AppendInTime(const Tensor& before, const Tensor& x);

}  // namespace palimpsest

#endif  // NN_ATTENTION_H_
