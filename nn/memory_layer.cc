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

// silu(conv(linear(x))), by pairs and heads.
Tensor Heads(const Linear& linear, const ShortConv& conv, const char* tail, int64_t heads,
             int64_t pairs, const Tensor& x, NamedTensors& tails) {
  Tensor h = linear(x);
  if (conv.weight) {
    Tensor after = Carried(tails, tail);
    h = conv.Forward(h, after);
    tails[tail] = after;
  }
  return Reshape(h, {x.dim(0), x.dim(1) * pairs, heads, h.dim(2) / (pairs * heads)});
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
  q_ = MakeLinear(init.At("q"), width, key_size, init.stddev);
  k_ = MakeLinear(init.At("k"), width, pairs * key_size, init.stddev);
  v_ = MakeLinear(init.At("v"), width, pairs * value_size, init.stddev);
  q_conv_ = MakeShortConv(init.At("q_conv"), key_size, config.conv());
  k_conv_ = MakeShortConv(init.At("k_conv"), pairs * key_size, config.conv());
  v_conv_ = MakeShortConv(init.At("v_conv"), pairs * value_size, config.conv());
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
  q_.ForEachParam(path + ".q", visit);
  k_.ForEachParam(path + ".k", visit);
  v_.ForEachParam(path + ".v", visit);
  q_conv_.ForEachParam(path + ".q_conv", visit);
  k_conv_.ForEachParam(path + ".k_conv", visit);
  v_conv_.ForEachParam(path + ".v_conv", visit);
  for (GateLayer& gate : gates_) gate.ForEachParam(path + ".gates." + gate.spec.name, visit);
  initial_.ForEachParam(path + ".initial", visit);
  g_.ForEachParam(path + ".g", visit);
  o_norm_.ForEachParam(path + ".o_norm", visit);
  o_.ForEachParam(path + ".o", visit);
  if (persistent_) visit(path + ".persistent", persistent_);
}

NamedTensors MemoryLayer::FreshState(int64_t batch) const {
  NamedTensors state = InitRecallTails(batch);
  if (config_.conv() > 0) {
    state["k_conv"] = k_conv_.InitTail(batch);
    state["v_conv"] = v_conv_.InitTail(batch);
  }
  const State fresh = initial_(batch);
  PutTensors("memory", fresh, state);
  if (rule_->anchored()) PutTensors("anchor", fresh, state);
  return state;
}

NamedTensors MemoryLayer::InitRecallTails(int64_t batch) const {
  if (config_.conv() == 0) return {};
  return {{"q_conv", q_conv_.InitTail(batch)}};
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
  const int64_t pairs = rule_->pairs();
  seq.q = Queries(x, state);
  seq.k = Unit(Heads(k_, k_conv_, "k_conv", config_.heads(), pairs, x, state));
  seq.v = Heads(v_, v_conv_, "v_conv", config_.value_heads(), pairs, x, state);
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
  const Tensor q = Unit(Heads(q_, q_conv_, "q_conv", config_.heads(), 1, x, tails));
  return config_.q_scale() != 1.0 ? Mul(q, config_.q_scale()) : q;
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
