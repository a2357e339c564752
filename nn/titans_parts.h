#ifndef NN_TITANS_PARTS_H_
#define NN_TITANS_PARTS_H_

#include <string>

#include "nn/attention.h"
#include "nn/memory_layer.h"

namespace palimpsest {

// y (x) m = W (norm(y) * gate(norm(m))), with learnt weights of the norms (Behrouz et al. 2025,
// "Titans", 4.2).
struct GatedProduct {
  ModelConfig::Titans::Gate gate;
  NormLayer y_norm, m_norm;
  Linear o;

  Tensor operator()(const Tensor& y, const Tensor& m) const;
  void ForEachParam(const std::string& path, ParamVisitor visit);
};

// What the three kinds are made of.
struct TitansParts {
  Attention attention;
  MemoryLayer memory;
  GatedProduct product;  // Of MAC and MAG.
  NormLayer norm;        // Of MAL.

  TitansParts(const ParamInit& init, const ModelConfig& model, const ModelConfig::Titans& config);
  void ForEachParam(const std::string& path, ParamVisitor visit);
  NamedTensors InitState(int64_t batch) const;

  // A part's forward, with the part of the state that is its own.
  Tensor Attend(const Tensor& x, const MixerInput& in, NamedTensors& state) const;
  Tensor Memorize(const Tensor& x, const MixerInput& in, NamedTensors& state) const;
};

}  // namespace palimpsest

#endif  // NN_TITANS_PARTS_H_
