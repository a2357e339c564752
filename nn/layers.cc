#include "nn/layers.h"

#include <cmath>

#include "ops/ops.h"

namespace palimpsest {

Linear MakeLinear(const ParamInit& init, int64_t in, int64_t out, double stddev) {
  return {init.At("weight").Normal({out, in}, stddev)};
}

Tensor Linear::operator()(const Tensor& x) const { return MatMul(x, weight, {.b = true}); }

void Linear::ForEachParam(const std::string& path, ParamVisitor visit) {
  if (weight) visit(path + ".weight", weight);
}

Embedding MakeEmbedding(const ParamInit& init, int64_t rows, int64_t width, double stddev) {
  return {init.At("weight").Normal({rows, width}, stddev)};
}

Tensor Embedding::operator()(const Tensor& ids) const { return Gather(weight, ids); }

void Embedding::ForEachParam(const std::string& path, ParamVisitor visit) {
  if (weight) visit(path + ".weight", weight);
}

NormLayer MakeNorm(const ParamInit& init, ModelConfig::Norm kind, int64_t width, double eps) {
  NormLayer norm{init.Constant({width}, 1.0), {}, eps};
  if (kind == ModelConfig::LAYER) norm.bias = init.Constant({width}, 0.0);
  return norm;
}

Tensor NormLayer::operator()(const Tensor& x) const {
  return bias ? LayerNorm(x, weight, bias, eps) : RmsNorm(x, weight, eps);
}

void NormLayer::ForEachParam(const std::string& path, ParamVisitor visit) {
  if (weight) visit(path + ".weight", weight);
  if (bias) visit(path + ".bias", bias);
}

ShortConv MakeShortConv(const ParamInit& init, int64_t channels, int64_t width) {
  if (width == 0) return {};
  const double bound = 1.0 / std::sqrt(static_cast<double>(width));
  return {init.At("weight").Uniform({channels, width}, -bound, bound)};
}

Tensor ShortConv::InitTail(int64_t batch) const {
  if (!weight) return {};
  return Tensor::Full({batch, weight.dim(1) - 1, weight.dim(0)}, 0.0, weight.dtype(),
                      weight.device());
}

Tensor ShortConv::Forward(const Tensor& x, Tensor& tail) const {
  return weight ? Silu(Convolve(x, tail)) : x;
}

Tensor ShortConv::Convolve(const Tensor& x, Tensor& tail) const {
  if (!weight) return x;
  const Tensor y = CausalConv1d(x, weight, {}, tail);
  tail = TailAfter(tail, x);
  return y;
}

Tensor TailAfter(const Tensor& tail, const Tensor& x) {
  const int64_t time = x.dim(1), keep = tail.dim(1);
  return time >= keep ? Slice(x, 1, time - keep, time) : Concat({Slice(tail, 1, time, keep), x}, 1);
}

void ShortConv::ForEachParam(const std::string& path, ParamVisitor visit) {
  if (weight) visit(path + ".weight", weight);
}

OutputGate MakeOutputGate(const ParamInit& init, ModelConfig::Memory::OutputGate kind, int64_t in,
                          int64_t out) {
  if (kind == ModelConfig::Memory::NONE) return {kind, {}};
  return {kind, MakeLinear(init, in, out, init.stddev)};
}

Tensor OutputGate::operator()(const Tensor& y, const Tensor& x) const {
  switch (kind) {
    case ModelConfig::Memory::SILU: return SiluMul(proj(x), y);
    case ModelConfig::Memory::SIGMOID: return SigmoidMul(proj(x), y);
    case ModelConfig::Memory::NONE: break;
  }
  return y;
}

void OutputGate::ForEachParam(const std::string& path, ParamVisitor visit) {
  proj.ForEachParam(path, visit);
}

Mlp MakeMlp(const ParamInit& init, const ModelConfig::Mlp& config, int64_t width) {
  Mlp mlp{config.kind(), {}, {}, {}};
  if (config.kind() == ModelConfig::Mlp::NONE) return mlp;
  const int64_t hidden = config.hidden();
  if (config.kind() == ModelConfig::Mlp::SWIGLU) {
    mlp.gate = MakeLinear(init.At("gate"), width, hidden, init.stddev);
  }
  mlp.up = MakeLinear(init.At("up"), width, hidden, init.stddev);
  mlp.down = MakeLinear(init.At("down"), hidden, width, init.residual_stddev);
  return mlp;
}

Tensor Mlp::operator()(const Tensor& x) const {
  switch (kind) {
    case ModelConfig::Mlp::SWIGLU: return down(SiluMul(gate(x), up(x)));
    case ModelConfig::Mlp::GELU: return down(Gelu(up(x)));
    case ModelConfig::Mlp::RELU: return down(Relu(up(x)));
    case ModelConfig::Mlp::NONE: break;
  }
  PALIMPSEST_CHECK(false) << "an MLP of kind NONE has no output";
  return {};
}

void Mlp::ForEachParam(const std::string& path, ParamVisitor visit) {
  gate.ForEachParam(path + ".gate", visit);
  up.ForEachParam(path + ".up", visit);
  down.ForEachParam(path + ".down", visit);
}

}  // namespace palimpsest
