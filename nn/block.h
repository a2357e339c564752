#ifndef NN_BLOCK_H_
#define NN_BLOCK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nn/compressor.h"
#include "nn/mixer.h"
#include "nn/model.h"
#include "nn/residual.h"

namespace palimpsest {

// What happens to the output of a part of the model: it is seen and, in training, dropped from.
struct Outlet {
  const ForwardOptions& options;
  double dropout = 0.0;

  Tensor operator()(const Tensor& x, const std::string& path) const;
};

// Of the whole model.
struct BlockInput {
  const NamedTensors& state;
  int64_t position;
  const ForwardOptions& options;
  double dropout;
};

// One sublayer after the other, what mixes tokens ("mixer"), then channels ("mlp"): each reads the
// stream, norms it and writes to it what it makes of that. x += f(norm(x)), where residuals add.
class ResidualBlock {
 public:
  // init.path is the block's. `config` is resolved.
  ResidualBlock(const ParamInit& init, const ModelConfig& model, const ModelConfig::Block& config);

  void ForEachParam(ParamVisitor visit);
  void InitState(int64_t batch, NamedTensors& state) const;
  int64_t StateBytes(int64_t time) const;
  // Adds to `after` what its parts carry on.
  Tensor Forward(Tensor stream, const BlockInput& in, NamedTensors& after) const;

 private:
  struct Sublayer {
    std::string path;
    NormLayer norm;
    std::unique_ptr<Mixer> f;
    std::unique_ptr<Residual> residual;
  };
  void Append(const ParamInit& init, const ModelConfig& model,
              const ModelConfig::Residual& residual, const char* name, std::unique_ptr<Mixer> f);

  std::string path_;
  Compressor compressor_;
  std::vector<Sublayer> sublayers_;
};

}  // namespace palimpsest

#endif  // NN_BLOCK_H_
