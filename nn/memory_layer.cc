#include "nn/memory_layer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/op_scope.h"
#include "nn/config.h"
#include "nn/gate.h"
#include "nn/initial_state.h"
#include "nn/memory_statistics.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

ModelConfig::Gate OverrideOf(const ModelConfig::Memory& config, const std::string& gate) {
  for (const ModelConfig::Gate& g : config.gate()) {
    if (g.name() == gate) return g;
  }
  return {};
}

class MemoryLayer : public Mixer {
 public:
  MemoryLayer(const ParamInit& init, const ModelConfig& model, const ModelConfig::Memory& config)
      : config_(config), norm_eps_(model.norm_eps()) {
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
    if (config.output_gate() != ModelConfig::Memory::NONE) {
      g_ = MakeLinear(init.At("g"), width, value_size, init.stddev);
    }
    o_norm_ = MakeNorm(init.At("o_norm"), ModelConfig::RMS, value_dim, norm_eps_);
    o_ = MakeLinear(init.At("o"), value_size, width, init.residual_stddev);
  }

  void ForEachParam(const std::string& path, ParamVisitor visit) override {
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
  }

  NamedTensors InitState(int64_t batch) const override {
    NamedTensors state;
    if (config_.conv() > 0) {
      state = {{"q_conv", q_conv_.InitTail(batch)},
               {"k_conv", k_conv_.InitTail(batch)},
               {"v_conv", v_conv_.InitTail(batch)}};
    }
    const State fresh = initial_(batch);
    Store("memory", fresh, state);
    if (rule_->anchored()) Store("anchor", fresh, state);
    return state;
  }

  int64_t StateBytes(int64_t) const override { return TotalBytes(InitState(1)); }

  MixerResult Forward(const MixerInput& in) const override {
    const OpScope scope("memory");
    const Tensor& x = in.x;
    const NamedTensors& before = in.state;
    NamedTensors state;
    Sequence seq;
    const int64_t pairs = rule_->pairs();
    seq.q = Unit(Heads(q_, q_conv_, "q_conv", config_.heads(), 1, x, before, state));
    if (config_.q_scale() != 1.0) seq.q = Mul(seq.q, config_.q_scale());
    seq.k = Unit(Heads(k_, k_conv_, "k_conv", config_.heads(), pairs, x, before, state));
    seq.v = Heads(v_, v_conv_, "v_conv", config_.value_heads(), pairs, x, before, state);
    for (const GateLayer& gate : gates_) seq.gates[gate.spec.name] = gate(x, seq.k);

    ScanOptions options{.chunk = config_.chunk()};
    if (rule_->anchored()) {
      options.phase = in.position % config_.chunk();
      options.anchor = Load("anchor", before);
    }
    ScanResult scan = Scan(*rule_, seq, Load("memory", before), options);
    Store("memory", scan.state, state);
    if (rule_->anchored()) Store("anchor", scan.anchor, state);
    if (in.statistics) PutMemoryStatistics(in.statistics, rule_->gates(), seq.gates, scan.state);
    const Tensor y = Reshape(o_norm_(scan.y), {x.dim(0), x.dim(1), o_.weight.dim(1)});
    return {o_(Gated(y, x)), std::move(state)};
  }

 private:
  Tensor Unit(const Tensor& x) const { return config_.normalize_qk() ? L2Normalize(x) : x; }

  Tensor Gated(const Tensor& y, const Tensor& x) const {
    switch (config_.output_gate()) {
      case ModelConfig::Memory::SILU: return Mul(y, Silu(g_(x)));
      case ModelConfig::Memory::SIGMOID: return Mul(y, Sigmoid(g_(x)));
      case ModelConfig::Memory::NONE: break;
    }
    return y;
  }

  // silu(conv(linear(x))), by pairs and heads.
  static Tensor Heads(const Linear& linear, const ShortConv& conv, const char* tail, int64_t heads,
                      int64_t pairs, const Tensor& x, const NamedTensors& before,
                      NamedTensors& state) {
    Tensor h = linear(x);
    h = conv.weight ? conv.Forward(h, state[tail] = Carried(before, tail)) : h;
    return Reshape(h, {x.dim(0), x.dim(1) * pairs, heads, h.dim(2) / (pairs * heads)});
  }

  static void Store(const char* what, const State& tensors, NamedTensors& state) {
    for (size_t i = 0; i < tensors.size(); ++i) state[absl::StrCat(what, ".", i)] = tensors[i];
  }

  State Load(const char* what, const NamedTensors& state) const {
    State tensors;
    for (size_t i = 0; i < initial_.weights.size(); ++i) {
      tensors.push_back(Carried(state, absl::StrCat(what, ".", i)));
    }
    return tensors;
  }

  ModelConfig::Memory config_;
  double norm_eps_;
  std::unique_ptr<MemoryRule> rule_;
  Linear q_, k_, v_, g_, o_;
  ShortConv q_conv_, k_conv_, v_conv_;
  std::vector<GateLayer> gates_;
  InitialState initial_;
  NormLayer o_norm_;
};

}  // namespace

std::unique_ptr<Mixer> MakeMemoryLayer(const ParamInit& init, const ModelConfig& model,
                                       const ModelConfig::Memory& config) {
  return std::make_unique<MemoryLayer>(init, model, config);
}

}  // namespace palimpsest
