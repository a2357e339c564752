#ifndef NN_MIXER_H_
#define NN_MIXER_H_

#include <cstdint>
#include <string>

#include "core/tensor.h"
#include "nn/layers.h"

namespace palimpsest {

struct MixerResult {
  Tensor y;            // [batch, time, width]
  NamedTensors state;  // After the last token.
};

// The part of a block through which tokens see those before them.
class Mixer {
 public:
  virtual ~Mixer() = default;
  virtual void ForEachParam(const std::string& path, ParamVisitor visit) = 0;
  // x [batch, time, width]: the tokens from `position` on, after those that left `state`.
  virtual MixerResult Forward(const Tensor& x, const NamedTensors& state,
                              int64_t position) const = 0;
  virtual NamedTensors InitState(int64_t batch) const = 0;
  // Of one sequence after `time` tokens.
  virtual int64_t StateBytes(int64_t time) const = 0;
};

// state[name], which must be there.
const Tensor& Carried(const NamedTensors& state, const std::string& name);
}  // namespace palimpsest

#endif  // NN_MIXER_H_
