#ifndef NN_LAYERS_H_
#define NN_LAYERS_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "core/tensor.h"
#include "nn/init.h"
#include "nn/model.pb.h"

namespace palimpsest {

// Called with each parameter's path ("blocks.0.mixer.q.weight") and the tensor, which it may
// replace.
using ParamVisitor = absl::FunctionRef<void(const std::string& path, Tensor& param)>;

// Layers are structs of tensors; an empty tensor is a parameter the layer does not have.
struct Linear {
  Tensor weight;  // [out, in]

  Tensor operator()(const Tensor& x) const;  // [..., in] -> [..., out]: x weight^T
  void ForEachParam(const std::string& path, ParamVisitor visit);
};
Linear MakeLinear(const ParamInit& init, int64_t in, int64_t out, double stddev);

struct Embedding {
  Tensor weight;  // [rows, width]

  Tensor operator()(const Tensor& ids) const;  // integer [...] -> [..., width]
  void ForEachParam(const std::string& path, ParamVisitor visit);
};
Embedding MakeEmbedding(const ParamInit& init, int64_t rows, int64_t width, double stddev);

// RMSNorm or, where there is a bias, LayerNorm, over the last axis.
struct NormLayer {
  Tensor weight, bias;  // [width]
  double eps;

  Tensor operator()(const Tensor& x) const;
  void ForEachParam(const std::string& path, ParamVisitor visit);
};
NormLayer MakeNorm(const ParamInit& init, ModelConfig::Norm kind, int64_t width, double eps);

// A causal depthwise convolution over time, then silu. Without a weight the identity.
struct ShortConv {
  Tensor weight;  // [channels, width]

  // What of the tokens before it depends on, [batch, width - 1, channels]: at first zeros.
  Tensor InitTail(int64_t batch) const;
  // x [batch, time, channels]; takes `tail` to that after x.
  Tensor Forward(const Tensor& x, Tensor& tail) const;
  Tensor Convolve(const Tensor& x, Tensor& tail) const;  // Without the silu.
  void ForEachParam(const std::string& path, ParamVisitor visit);
};
// Width 0: none. Uniform in +-1/sqrt(width), as torch.nn.Conv1d.
ShortConv MakeShortConv(const ParamInit& init, int64_t channels, int64_t width);

// The last of [tail; x] along time, as many as `tail` has.
Tensor TailAfter(const Tensor& tail, const Tensor& x);

// y * f(W x), with f silu or sigmoid. Of kind NONE the identity.
struct OutputGate {
  ModelConfig::Memory::OutputGate kind;
  Linear proj;

  Tensor operator()(const Tensor& y, const Tensor& x) const;
  void ForEachParam(const std::string& path, ParamVisitor visit);
};
OutputGate MakeOutputGate(const ParamInit& init, ModelConfig::Memory::OutputGate kind, int64_t in,
                          int64_t out);

// down(silu(gate x) * up x) (Shazeer 2020), or down(f(up x)) with f gelu or relu. `config` is
// resolved.
struct Mlp {
  ModelConfig::Mlp::Kind kind;
  Linear gate, up, down;

  Tensor operator()(const Tensor& x) const;
  void ForEachParam(const std::string& path, ParamVisitor visit);
};
Mlp MakeMlp(const ParamInit& init, const ModelConfig::Mlp& config, int64_t width);

}  // namespace palimpsest

#endif  // NN_LAYERS_H_
