#include "nn/projection.h"

#include "ops/ops.h"

namespace palimpsest {

Projection MakeProjection(const ParamInit& init, const std::string& name, int64_t in, int64_t out,
                          int64_t conv) {
  return {name, MakeLinear(init.At(name), in, out, init.stddev),
          MakeShortConv(init.At(name + "_conv"), out, conv)};
}

void Projection::ForEachParam(const std::string& path, ParamVisitor visit) {
  linear.ForEachParam(path + "." + name, visit);
  conv.ForEachParam(path + "." + name + "_conv", visit);
}

void Projection::InitTail(int64_t batch, NamedTensors& state) const {
  if (conv.weight) state[name + "_conv"] = conv.InitTail(batch);
}

Tensor Projection::Forward(const Tensor& x, const NamedTensors& before, NamedTensors& after) const {
  const Tensor h = linear(x);
  if (!conv.weight) return h;
  const std::string tail = name + "_conv";
  return conv.Forward(h, after[tail] = Carried(before, tail));
}

Tensor Projection::Heads(int64_t heads, const Tensor& x, const NamedTensors& before,
                         NamedTensors& after) const {
  const Tensor h = Forward(x, before, after);
  return Reshape(h, {h.dim(0), h.dim(1), heads, h.dim(2) / heads});
}

}  // namespace palimpsest
