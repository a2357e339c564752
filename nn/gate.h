#ifndef NN_GATE_H_
#define NN_GATE_H_

#include <string>

#include "memory_rules/rule.h"
#include "nn/layers.h"

namespace palimpsest {

// A rule's gate as a function of the token, z = weight x + bias, by kind:
//   kLogDecay    -exp(a_log) softplus(z)   (Mamba-2, Dao & Gu 2024; gated DeltaNet)
//   kStrength01  sigmoid(z)
//   kStrength02  2 sigmoid(z)
//   kPositive    softplus(z)
// computed in StateDType. The bias makes a fresh gate start at `spec.init`; the log decays of the
// heads are spread geometrically around it, a factor of 4 to either side, so that a layer has long
// and short memories.
struct GateLayer {
  GateSpec spec;
  int64_t heads, key_dim;
  Linear proj;   // To heads, or heads key_dim if per channel. Without weight: a constant.
  Tensor bias;   // [heads] or [heads key_dim]
  Tensor a_log;  // [heads], of a log decay.

  // x [batch, time, width] -> [batch, time, heads(, key_dim)]
  Tensor operator()(const Tensor& x) const;
  void ForEachParam(const std::string& path, ParamVisitor visit);
};

// `config` overrides the spec where it says something.
GateLayer MakeGate(const ParamInit& init, const GateSpec& spec, const ModelConfig::Gate& config,
                   int64_t width, int64_t heads, int64_t key_dim);

}  // namespace palimpsest

#endif  // NN_GATE_H_
