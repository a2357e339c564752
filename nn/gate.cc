#include "nn/gate.h"

#include <cmath>
#include <vector>

#include "ops/ops.h"

namespace palimpsest {
namespace {

double Logit(double p) { return std::log(p) - std::log1p(-p); }
double InverseSoftplus(double y) { return y + std::log(-std::expm1(-y)); }

// The rate at which head `head` forgets: -log of its keep factor.
double DecayRate(double keep, int64_t head, int64_t heads) {
  const double place =
      heads > 1 ? 2.0 * static_cast<double>(head) / static_cast<double>(heads - 1) - 1.0 : 0.0;
  return -std::log(keep) * std::pow(4.0, place);
}

double BiasFor(GateKind kind, double value) {
  switch (kind) {
    case GateKind::kStrength01: return Logit(value);
    case GateKind::kStrength02: return Logit(value / 2.0);
    default: return InverseSoftplus(value);
  }
}

}  // namespace

GateLayer MakeGate(const ParamInit& init, const GateSpec& spec, const ModelConfig::Gate& config,
                   int64_t width, int64_t heads, int64_t key_dim) {
  GateLayer gate{spec, heads, key_dim, {}, {}, {}};
  if (config.has_init()) gate.spec.init = config.init();
  const int64_t channels = spec.scope == GateScope::kChannel ? key_dim : 1;
  const DType dtype = StateDType(init.dtype);
  if (config.data_dependent()) gate.proj = MakeLinear(init, width, heads * channels, init.stddev);

  std::vector<double> bias, a_log;
  const RandomStream draws = init.At("a_log").Stream();
  for (int64_t head = 0; head < heads; ++head) {
    double value = gate.spec.init;
    if (spec.kind == GateKind::kLogDecay) {
      const double a = 1.0 + 15.0 * draws.Uniform(static_cast<uint64_t>(head));
      a_log.push_back(std::log(a));
      value = DecayRate(value, head, heads) / a;
    }
    bias.insert(bias.end(), static_cast<size_t>(channels), BiasFor(spec.kind, value));
  }
  gate.bias = Tensor::FromVector({heads * channels}, bias, dtype);
  if (!a_log.empty()) gate.a_log = Tensor::FromVector({heads}, a_log, dtype);
  return gate;
}

Tensor GateLayer::operator()(const Tensor& x) const {
  const Shape flat{x.dim(0), x.dim(1), bias.dim(0)};
  Tensor z = proj.weight ? Add(Cast(proj(x), bias.dtype()), bias) : BroadcastTo(bias, flat);
  const bool per_channel = spec.scope == GateScope::kChannel;
  if (per_channel) z = Reshape(z, {x.dim(0), x.dim(1), heads, key_dim});
  switch (spec.kind) {
    case GateKind::kLogDecay: {
      const Tensor rate = Neg(Exp(a_log));
      return Mul(Softplus(z), per_channel ? Reshape(rate, {heads, 1}) : rate);
    }
    case GateKind::kStrength01: return Sigmoid(z);
    case GateKind::kStrength02: return Mul(Sigmoid(z), 2.0);
    case GateKind::kPositive: return Softplus(z);
  }
  PALIMPSEST_CHECK(false) << "unknown kind of gate " << spec.name;
  return {};
}

void GateLayer::ForEachParam(const std::string& path, ParamVisitor visit) {
  proj.ForEachParam(path, visit);
  visit(path + ".bias", bias);
  if (a_log) visit(path + ".a_log", a_log);
}

}  // namespace palimpsest
