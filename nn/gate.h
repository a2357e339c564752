#ifndef NN_GATE_H_
#define NN_GATE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "memory_rules/rule.h"
#include "nn/layers.h"

namespace palimpsest {

struct GateSizes {
  int64_t heads, key, value;  // Of the values' heads.
  int64_t pairs = 1;          // A token writes.
};

// A rule's gate as a function of the token, z = weight x + bias, by kind:
//   kLogDecay    -exp(a_log) softplus(z)   (Mamba-2, Dao & Gu 2024; gated DeltaNet)
//   kStrength01  sigmoid(z)
//   kStrength02  2 sigmoid(z)
//   kPositive    softplus(z)
//   kKey         sigmoid(z) k, with one z a head (Comba, Hu et al. 2025)
// computed in StateDType. The bias makes a fresh gate start at `spec.init`; the log decays of the
// heads are spread geometrically around it, a factor of 4 to either side, so that a layer has long
// and short memories.
struct GateLayer {
  GateSpec spec;
  int64_t heads, channels, pairs;
  Linear proj;   // To pairs heads channels. Without weight: a constant.
  Tensor bias;   // [pairs heads channels]
  Tensor a_log;  // [heads], of a log decay.
  // Given, it is this number, of this dtype, and has no parameters.
  std::optional<double> value = {};
  DType dtype = DType::kF32;

  // x [batch, time, width], k [batch, time pairs, key heads, key] -> [batch, time pairs, heads(,
  // channels)].
  Tensor operator()(const Tensor& x, const Tensor& k) const;
  void ForEachParam(const std::string& path, ParamVisitor visit);

 private:
  Tensor Fixed(Shape shape, const Tensor& k) const;
};

// The rate at which head `head` forgets, -log of its keep factor: geometrically spread around
// `keep`'s, a factor of 4 to either side.
double DecayRate(double keep, int64_t head, int64_t heads);
double Logit(double p);  // Of which sigmoid is p.

// The spec as `config` overrides it.
GateSpec SpecWith(GateSpec spec, const ModelConfig::Gate& config);

// `config` overrides the spec where it says something.
GateLayer MakeGate(const ParamInit& init, const GateSpec& spec, const ModelConfig::Gate& config,
                   int64_t width, const GateSizes& sizes);

}  // namespace palimpsest

#endif  // NN_GATE_H_
