#ifndef NN_COMPRESSOR_H_
#define NN_COMPRESSOR_H_

#include <cstdint>
#include <string>

#include "nn/layers.h"
#include "nn/model.pb.h"

namespace palimpsest {

// What passes between blocks, "the stream", has one value a feature, [batch, time, width], or
// several, [batch, time, channels, width]: the layout of memories, values by keys.

// The stream as a sublayer reads it (Zhang et al. 2026, section 4; the kinds: model.proto). A fresh
// one gives the channels' mean.
struct Compressor {
  ModelConfig::Residual::Compressor kind;
  int64_t channels;
  ShortConv conv;  // TC: over time, each channel of each feature by itself.
  Tensor weight;   // CC: [channels, width]. CC_CONV: [taps, width], over the channels.
  Tensor read;     // [channels], TC and CC_CONV.

  // The part is called `path` in the states, where TC keeps its tail.
  void InitState(const std::string& path, int64_t batch, NamedTensors& state) const;
  // -> [batch, time, width]
  Tensor Read(const Tensor& stream, const std::string& path, const NamedTensors& before,
              NamedTensors& after) const;
  void ForEachParam(const std::string& path, ParamVisitor visit);

 private:
  Tensor ChannelWeights(int64_t width) const;  // [channels, width]
};
// `config`: ResidualOf a block or the model.
Compressor MakeCompressor(const ParamInit& init, int64_t width,
                          const ModelConfig::Residual& config);

// The first stream, of the embeddings: each channel is the embedding or, expanded, a causal
// convolution of it, which starts as the identity.
struct Expansion {
  int64_t channels;
  ShortConv conv;

  void InitState(const std::string& path, int64_t batch, NamedTensors& state) const;
  Tensor Expand(const Tensor& x, const std::string& path, const NamedTensors& before,
                NamedTensors& after) const;
  void ForEachParam(const std::string& path, ParamVisitor visit);
};
Expansion MakeExpansion(const ParamInit& init, int64_t width, const ModelConfig::Residual& config);

}  // namespace palimpsest

#endif  // NN_COMPRESSOR_H_
