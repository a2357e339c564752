#ifndef NN_RESIDUAL_H_
#define NN_RESIDUAL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "nn/mixer.h"

namespace palimpsest {

struct ResidualInput {
  const Tensor& stream;   // [batch, time(, channels), width]
  const Tensor& x;        // The stream as read: [batch, time, width].
  const Tensor& context;  // x normed, what the sublayer got;
  const Tensor& h;        // and what it made of it.
  const StatisticSink& statistics;
};

// How what a sublayer puts out changes the stream.
class Residual {
 public:
  virtual ~Residual() = default;
  virtual void ForEachParam(const std::string& path, ParamVisitor visit) = 0;
  // The stream after.
  virtual Tensor Write(const ResidualInput& in) const = 0;
};

// `config`: ResidualOf a block.
std::unique_ptr<Residual> MakeResidual(const ParamInit& init, const ModelConfig& model,
                                       const ModelConfig::Residual& config);

}  // namespace palimpsest

#endif  // NN_RESIDUAL_H_
