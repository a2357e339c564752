#ifndef NN_MIXER_H_
#define NN_MIXER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "core/tensor.h"
#include "nn/layers.h"

namespace palimpsest {

// Called with numbers that tell how a part fares, by path ("blocks.0.mlp.levels.1.update_ratio").
using StatisticSink = std::function<void(const std::string& path, double value)>;

// The tokens from `position` on, after those that left `state`.
struct MixerInput {
  const Tensor& x;  // [batch, time, width]
  const NamedTensors& state;
  int64_t position = 0;
  StatisticSink statistics = {};  // Given where someone wants to know. Names are the part's own.
};

struct MixerResult {
  Tensor y;            // [batch, time, width]
  NamedTensors state;  // After the last token.
};

// What a block adds to the residual stream: attention, memories, MLPs.
class Mixer {
 public:
  virtual ~Mixer() = default;
  virtual void ForEachParam(const std::string& path, ParamVisitor visit) = 0;
  virtual MixerResult Forward(const MixerInput& in) const = 0;
  virtual NamedTensors InitState(int64_t batch) const = 0;
  // Of one sequence after `time` tokens.
  virtual int64_t StateBytes(int64_t time) const = 0;
};

// The entries under "prefix.", without it; and back.
NamedTensors Under(const NamedTensors& all, const std::string& prefix);
void PutUnder(const std::string& prefix, NamedTensors part, NamedTensors& all);

// What calls `sink` with "prefix." before the path; empty if it is.
StatisticSink Under(const StatisticSink& sink, const std::string& prefix);

// Tensors as "name.0", "name.1", ... of a state; and back, at least one of which must be there.
void PutTensors(const std::string& name, const Tensors& tensors, NamedTensors& state);
Tensors CarriedTensors(const NamedTensors& state, const std::string& name);

// state[name], which must be there.
const Tensor& Carried(const NamedTensors& state, const std::string& name);
}  // namespace palimpsest

#endif  // NN_MIXER_H_
