#include "nn/memory_layer.h"

#include <utility>

#include "core/op_scope.h"
#include "nn/config.h"
#include "nn/memory_statistics.h"
#include "nn/persistent.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

ModelConfig::Gate OverrideOf(const ModelConfig::Memory& config, const std::string& gate) {
  for (const ModelConfig::Gate& g : config.gate()) {
    if (g.name() == gate) return g;
  }
  return {};
}

}  // namespace

MemoryLayer::MemoryLayer(const ParamInit& init, const ModelConfig& model,
                         const ModelConfig::Memory& config)
    : config_(config) {
  auto rule = MakeMemoryRule(RuleConfigOf(config.rule()));
  PALIMPSEST_CHECK(rule.ok()) << rule.status().ToString();
  rule_ = *std::move(rule);

  const int64_t width = model.width(), key_size = config.heads() * config.key_dim();
  const auto value_dim =
      static_cast<int64_t>(config.expand_v() * static_cast<double>(config.key_dim()));
  const int64_t value_size = config.value_heads() * value_dim, pairs = rule_->pairs();
  q_ = MakeProjection(init, "q", width, key_size, config.conv());
  k_ = MakeProjection(init, "k", width, pairs * key_size, config.conv());
  v_ = MakeProjection(init, "v", width, pairs * value_size, config.conv());
  for (const GateSpec& spec : rule_->gates()) {
    gates_.push_back(MakeGate(init.At("gates").At(spec.name), spec, OverrideOf(config, spec.name),
                              width, {config.value_heads(), config.key_dim(), value_dim, pairs}));
  }
  initial_ = MakeInitialState(init.At("initial"), *rule_,
                              {config.value_heads(), config.key_dim(), value_dim}, config);
  g_ = MakeOutputGate(init.At("g"), config.output_gate(), width, value_size);
  o_norm_ = MakeNorm(init.At("o_norm"), ModelConfig::RMS, value_dim, model.norm_eps());
  o_ = MakeLinear(init.At("o"), value_size, width, init.residual_stddev);
  persistent_ = MakePersistent(init.At("persistent"), config.persistent(), width);
}

void MemoryLayer::ForEachParam(const std::string& path, ParamVisitor visit) {
  for (Projection* projection : {&q_, &k_, &v_}) projection->ForEachParam(path, visit);
  for (GateLayer& gate : gates_) gate.ForEachParam(path + ".gates." + gate.spec.name, visit);
  initial_.ForEachParam(path + ".initial", visit);
  g_.ForEachParam(path + ".g", visit);
  o_norm_.ForEachParam(path + ".o_norm", visit);
  o_.ForEachParam(path + ".o", visit);
  if (persistent_) visit(path + ".persistent", persistent_);
}

NamedTensors MemoryLayer::FreshState(int64_t batch) const {
  NamedTensors state;
  for (const Projection* projection : {&q_, &k_, &v_}) projection->InitTail(batch, state);
  const State fresh = initial_(batch);
  PutTensors("memory", fresh, state);
  if (rule_->anchored()) PutTensors("anchor", fresh, state);
  return state;
}

NamedTensors MemoryLayer::InitRecallTails(int64_t batch) const {
  NamedTensors tails;
  q_.InitTail(batch, tails);
  return tails;
}

NamedTensors MemoryLayer::InitState(int64_t batch) const {
  const NamedTensors fresh = FreshState(batch);
  if (!persistent_) return fresh;
  NamedTensors state = Forward({ForBatch(persistent_, batch), fresh}).state;
  // The sequence's first chunk begins behind them.
  if (rule_->anchored()) PutTensors("anchor", CarriedTensors(state, "memory"), state);
  return state;
}

int64_t MemoryLayer::StateBytes(int64_t) const { return TotalBytes(FreshState(1)); }

MixerResult MemoryLayer::Forward(const MixerInput& in) const {
  const OpScope scope("memory");
  const Tensor& x = in.x;
  NamedTensors state = in.state;
  Sequence seq;
  seq.q = Queries(x, state);
  seq.k = Unit(ByPairs(k_, config_.heads(), x, state));
  seq.v = ByPairs(v_, config_.value_heads(), x, state);
  for (const GateLayer& gate : gates_) seq.gates[gate.spec.name] = gate(x, seq.k);

  ScanOptions options{.chunk = config_.chunk()};
  if (rule_->anchored()) {
    options.phase = in.position % config_.chunk();
    options.anchor = CarriedTensors(in.state, "anchor");
  }
  ScanResult scan = Scan(*rule_, seq, CarriedTensors(in.state, "memory"), options);
  PutTensors("memory", scan.state, state);
  if (rule_->anchored()) PutTensors("anchor", scan.anchor, state);
  if (in.statistics) PutMemoryStatistics(in.statistics, rule_->gates(), seq.gates, scan.state);
  return {Output(scan.y, x), std::move(state)};
}

Tensor MemoryLayer::Recall(const Tensor& x, const NamedTensors& state, NamedTensors& tails) const {
  return Output(palimpsest::Recall(*rule_, CarriedTensors(state, "memory"), Queries(x, tails)), x);
}

Tensor MemoryLayer::Queries(const Tensor& x, NamedTensors& tails) const {
  const Tensor q = Unit(q_.Heads(config_.heads(), x, tails, tails));
  return config_.q_scale() != 1.0 ? Mul(q, config_.q_scale()) : q;
}

Tensor MemoryLayer::ByPairs(const Projection& projection, int64_t heads, const Tensor& x,
                            NamedTensors& tails) const {
  const int64_t pairs = rule_->pairs();
  const Tensor h = projection.Forward(x, tails, tails);
  return Reshape(h, {h.dim(0), h.dim(1) * pairs, heads, h.dim(2) / (pairs * heads)});
}

Tensor MemoryLayer::Unit(const Tensor& x) const {
  return config_.normalize_qk() ? L2Normalize(x) : x;
}

// Of what was read, y [batch, time, heads, value], for the tokens x.
Tensor MemoryLayer::Output(const Tensor& y, const Tensor& x) const {
  const Tensor normed = Reshape(o_norm_(y), {x.dim(0), x.dim(1), o_.weight.dim(1)});
  return o_(g_(normed, x));
}

NamedTensors MemoryLayer::Weights(const NamedTensors& state) const {
  NamedTensors weights;
  PutTensors("memory", CarriedTensors(state, "memory"), weights);
  return weights;
}

int64_t MemoryLayer::WeightBytes() const { return TotalBytes(Weights(FreshState(1))); }

}  // namespace palimpsest
