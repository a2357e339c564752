#include "memory_rules/ttt_memory.h"

#include <algorithm>
#include <cmath>

#include "memory_rules/rows.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/norm.h"
#include "ops/reduce.h"

namespace palimpsest {

TttMemory::TttMemory(const RuleParams& params, int layers)
    : layers_(layers),
      expansion_(layers == 2 ? params.at("expansion") : 1.0),
      average_(params.at("average") != 0.0) {}

std::string TttMemory::equation() const {
  const std::string n = average_ ? " / t" : "", all = average_ ? " / C" : "";
  return "S_t = S_{t-1} - theta_t grad_W |LN(net(k_t)) - (v_t - k_t)|^2 / 2,  a token reads W + "
         "S_t" +
         n + ",  W <- W + S_C" + all + " at the chunk's end";
}

std::vector<GateSpec> TttMemory::gates() const {
  return {{.name = "theta",
           .kind = GateKind::kStrength01,
           .init = 0.1,
           .meaning = "step size of the inner gradient descent"}};
}

Tensor TttMemory::Forward(const Weights& w, const Tensor& x) const {
  const Tensor one = Tensor::Full({x.dim(0), x.dim(1), 1}, 1.0, x.dtype(), x.device());
  Tensor h = x;
  for (int i = 0; i < layers_; ++i) {
    if (i > 0) h = Gelu(h);
    h = Add(w.Apply(2 * i, h), w.Apply(2 * i + 1, one));
  }
  return Add(Fitted(x, h.dim(-1)), Mul(LayerNorm(h), w.Fixed(0)));
}

// With f(k) = k + LN(net(k)), the distance to v is that of LN(net(k)) to v - k.
Tensor TttMemory::Loss(const Tensor& y, const Tensor& v, const Gates&) const {
  const Tensor error = Sub(y, v);
  return Mul(Sum(Mul(error, error)), 0.5);
}

Tensors TttMemory::InitWeights(const MemoryDims& d, DType dtype, const RandomStream& stream) const {
  const int64_t hidden =
      std::max<int64_t>(1, std::llround(expansion_ * static_cast<double>(d.key)));
  Tensors weights;
  for (int i = 0; i < layers_; ++i) {
    const int64_t in = i == 0 ? d.key : hidden, out = i + 1 == layers_ ? d.value : hidden;
    const Tensor w = RandomNormal({1, out, in}, stream.Fork(i), dtype, 1.0 / std::sqrt(in));
    weights.push_back(BroadcastTo(w, {d.batch, out, in}));
    weights.push_back(Tensor::Full({d.batch, out, 1}, 0.0, dtype));
  }
  return weights;
}

Tensors TttMemory::InitMore(const Tensors&, const MemoryDims& d, DType dtype) const {
  return {Tensor::Full({d.batch, 1, d.value}, 1.0, dtype),
          Tensor::Full({d.batch, 1, 1}, 0.0, dtype)};
}

Tensors TttMemory::Advance(Tensors more, const Gates&, int64_t n) const {
  more[1] = Add(more[1], static_cast<double>(n));
  return more;
}

Tensor TttMemory::Scale(const Tensors& more, int64_t n) const {
  const Tensor& tokens = more[1];
  if (!average_)
    return Tensor::Full({1, std::max<int64_t>(n, 1), 1}, 1.0, tokens.dtype(), tokens.device());
  const Tensor one = Tensor::Full({1, n, 1}, 1.0, tokens.dtype(), tokens.device());
  const Tensor at = n == 0 ? tokens : Add(tokens, CumSum(one, 1));
  return Pow(Maximum(at, Tensor::Full({}, 1.0, at.dtype(), at.device())), -1.0);
}

void TttMemory::Write(Tensors& w, Tensors& s, Tensors& more) const {
  const Tensor scale = Scale(more, 0);
  for (size_t i = 0; i < w.size(); ++i) {
    w[i] = Add(w[i], Mul(scale, s[i]));
    s[i] = Tensor::Full(s[i].shape(), 0.0, s[i].dtype(), s[i].device());
  }
  more[1] = Tensor::Full(more[1].shape(), 0.0, more[1].dtype(), more[1].device());
}

std::vector<ParamSpec> TttParams(int layers) {
  std::vector<ParamSpec> specs = {Flag("average", true, "1: steps are averaged over the chunk")};
  if (layers == 2) {
    specs.push_back({.name = "expansion",
                     .value = 4,
                     .min = 0,
                     .max = 64,
                     .meaning = "hidden size as a multiple of the key's"});
  }
  return specs;
}

}  // namespace palimpsest
