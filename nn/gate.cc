#include "nn/gate.h"

#include <cmath>
#include <utility>
#include <vector>

#include "ops/ops.h"

namespace palimpsest {
namespace {

double InverseSoftplus(double y) { return y + std::log(-std::expm1(-y)); }

double BiasFor(GateKind kind, double value) {
  switch (kind) {
    case GateKind::kKey:
    case GateKind::kStrength01: return Logit(value);
    case GateKind::kStrength02: return Logit(value / 2.0);
    default: return InverseSoftplus(value);
  }
}

int64_t ChannelsOf(const GateSpec& spec, const GateSizes& sizes) {
  if (spec.kind == GateKind::kKey || spec.scope == GateScope::kHead) return 1;
  return spec.scope == GateScope::kKeyChannel ? sizes.key : sizes.value;
}

// Key heads once for each value head they serve: [batch, time, heads, key].
Tensor SpreadKeys(const Tensor& k, int64_t heads) {
  const int64_t groups = k.dim(2);
  if (groups == heads) return k;
  const Shape one{k.dim(0), k.dim(1), groups, 1, k.dim(3)};
  const Shape all{k.dim(0), k.dim(1), groups, heads / groups, k.dim(3)};
  return Reshape(BroadcastTo(Reshape(k, one), all), {k.dim(0), k.dim(1), heads, k.dim(3)});
}

}  // namespace

double Logit(double p) { return std::log(p) - std::log1p(-p); }

double DecayRate(double keep, int64_t head, int64_t heads) {
  const double place =
      heads > 1 ? 2.0 * static_cast<double>(head) / static_cast<double>(heads - 1) - 1.0 : 0.0;
  return -std::log(keep) * std::pow(4.0, place);
}

GateSpec SpecWith(GateSpec spec, const ModelConfig::Gate& config) {
  const bool doubled = spec.kind == GateKind::kStrength02;
  if (config.has_max() && (config.max() == 2) != doubled) {
    spec.kind = doubled ? GateKind::kStrength01 : GateKind::kStrength02;
    spec.init *= doubled ? 0.5 : 2.0;
  }
  if (config.has_init()) spec.init = config.init();
  if (config.has_data_dependent()) spec.constant = !config.data_dependent();
  return spec;
}

GateLayer MakeGate(const ParamInit& init, const GateSpec& given, const ModelConfig::Gate& config,
                   int64_t width, const GateSizes& sizes) {
  const GateSpec spec = SpecWith(given, config);
  const int64_t heads = sizes.heads, channels = ChannelsOf(spec, sizes),
                pairs = spec.per_token ? 1 : sizes.pairs;
  GateLayer gate{spec, heads, channels, pairs, {}, {}, {}};
  const DType dtype = StateDType(init.dtype);
  if (config.has_value()) {
    gate.value = config.value();
    gate.dtype = dtype;
    return gate;
  }
  if (!spec.constant) gate.proj = MakeLinear(init, width, pairs * heads * channels, init.stddev);

  std::vector<double> bias, a_log;
  const RandomStream draws = init.At("a_log").Stream();
  for (int64_t head = 0; head < heads; ++head) {
    double value = spec.init;
    if (spec.kind == GateKind::kLogDecay) {
      const double a = 1.0 + 15.0 * draws.Uniform(static_cast<uint64_t>(head));
      a_log.push_back(std::log(a));
      value = DecayRate(value, head, heads) / a;
    }
    bias.insert(bias.end(), static_cast<size_t>(channels), BiasFor(spec.kind, value));
  }
  const Tensor one_pair = init.Placed(Tensor::FromVector({heads * channels}, bias, dtype));
  gate.bias = Concat(Tensors(static_cast<size_t>(pairs), one_pair), 0);
  if (!a_log.empty()) gate.a_log = init.Placed(Tensor::FromVector({heads}, a_log, dtype));
  return gate;
}

Tensor GateLayer::operator()(const Tensor& x, const Tensor& k) const {
  Shape shape{x.dim(0), x.dim(1) * pairs, heads};
  const bool per_channel = spec.scope != GateScope::kHead;
  if (per_channel) shape.push_back(channels);
  if (value) return Fixed(std::move(shape), k);
  Tensor z = proj.weight ? Add(Cast(proj(x), bias.dtype()), bias)
                         : BroadcastTo(bias, {x.dim(0), x.dim(1), bias.dim(0)});
  z = Reshape(z, std::move(shape));
  switch (spec.kind) {
    case GateKind::kLogDecay: {
      const Tensor rate = Neg(Exp(a_log));
      return Mul(Softplus(z), per_channel ? Reshape(rate, {heads, 1}) : rate);
    }
    case GateKind::kStrength01: return Sigmoid(z);
    case GateKind::kStrength02: return Mul(Sigmoid(z), 2.0);
    case GateKind::kPositive: return Softplus(z);
    case GateKind::kKey: return Mul(Sigmoid(z), Cast(SpreadKeys(k, heads), z.dtype()));
  }
  PALIMPSEST_CHECK(false) << "unknown kind of gate " << spec.name;
  return {};
}

Tensor GateLayer::Fixed(Shape shape, const Tensor& k) const {
  if (spec.kind == GateKind::kKey) return Mul(Cast(SpreadKeys(k, heads), dtype), *value);
  const bool log = spec.kind == GateKind::kLogDecay;
  return Tensor::Full(std::move(shape), log ? std::log(*value) : *value, dtype, k.device());
}

void GateLayer::ForEachParam(const std::string& path, ParamVisitor visit) {
  if (value) return;
  proj.ForEachParam(path, visit);
  visit(path + ".bias", bias);
  if (a_log) visit(path + ".a_log", a_log);
}

}  // namespace palimpsest
