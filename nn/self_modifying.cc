#include "nn/self_modifying.h"

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/op_scope.h"
#include "core/tape.h"
#include "memory_rules/rows.h"
#include "nn/gate.h"
#include "nn/initial_state.h"
#include "nn/projection.h"
#include "nn/self_modifying_scan.h"
#include "nn/statistics.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

using Config = ModelConfig::SelfModifying;

class SelfModifying : public Mixer {
 public:
  SelfModifying(const ParamInit& init, const ModelConfig& model, const Config& config)
      : config_(config), width_(model.width()) {
    MakeStacks();
    const int64_t size = config_.heads() * config_.key_dim();
    const auto project = [&](const char* name, bool wanted) {
      if (wanted) projections_[name] = MakeProjection(init, name, width_, size, config_.conv());
    };
    project("x", ReadsX());
    project("q", config_.q() == Config::STATIC);
    project("k", config_.k() == Config::STATIC);
    project("v", config_.v() == Config::STATIC || !config_.one_input());
    MakeGates(init);
    for (const BoxStack& stack : stacks_) {
      for (Box box : stack.boxes())
        for (const Tensor& w :
             stack.Draw(box, StateDType(init.dtype), init.At("initial").At(NameOf(box)).Stream()))
          first_[box].push_back(init.Placed(w));
    }
    g_ = MakeOutputGate(init.At("g"), config_.output_gate(), width_, size);
    o_norm_ = MakeNorm(init.At("o_norm"), ModelConfig::RMS, config_.key_dim(), model.norm_eps());
    o_ = MakeLinear(init.At("o"), size, width_, init.residual_stddev);
  }

  void ForEachParam(const std::string& path, ParamVisitor visit) override {
    for (auto& [name, projection] : projections_) projection.ForEachParam(path, visit);
    for (auto& [name, weight] : gates_) visit(absl::StrCat(path, ".", name), weight);
    for (auto& [box, weights] : first_) {
      for (size_t i = 0; i < weights.size(); ++i)
        visit(absl::StrCat(path, ".initial.", NameOf(box), ".", i), weights[i]);
    }
    g_.ForEachParam(path + ".g", visit);
    o_norm_.ForEachParam(path + ".o_norm", visit);
    o_.ForEachParam(path + ".o", visit);
  }

  NamedTensors InitState(int64_t batch) const override {
    NamedTensors state;
    for (const auto& [name, projection] : projections_) projection.InitTail(batch, state);
    for (const BoxStack& stack : stacks_) {
      const State fresh = FreshState(stack, batch);
      PutTensors(NameOf(stack), fresh, state);
      PutTensors(AnchorOf(stack), fresh, state);
    }
    return state;
  }

  int64_t StateBytes(int64_t) const override { return TotalBytes(InitState(1)); }

  MixerResult Forward(const MixerInput& in) const override {
    const OpScope scope("self_modifying");
    NamedTensors state;
    BoxInputs inputs = Project(in, state);
    const BoxConstants all = Constants(in.x.dim(0));
    BoxScan scan;
    for (const BoxStack& stack : stacks_) {
      const bool last = stack.Has(Box::kMemory);
      const BoxConstants constants = ConstantsOf(stack, all);
      const int64_t chunk = last ? config_.chunk() : config_.box_chunk();
      scan = SelfModifyingScan(config_, stack, constants)
                 .Run(inputs, CarriedTensors(in.state, NameOf(stack)),
                      CarriedTensors(in.state, AnchorOf(stack)), chunk, in.position % chunk);
      PutTensors(NameOf(stack), scan.state, state);
      PutTensors(AnchorOf(stack), scan.anchor, state);
      inputs = {{}, {}, scan.signals};
      if (in.statistics) ReportNorms(stack, scan.state, in.statistics);
    }
    if (in.statistics) ReportGates(scan.signals, in.statistics);
    const int64_t batch = in.x.dim(0), time = in.x.dim(1);
    Tensor y = FromRows(scan.y, batch, config_.heads());
    if (y.dtype() != in.x.dtype()) y = Cast(y, in.x.dtype());
    y = Reshape(o_norm_(y), {batch, time, o_.weight.dim(1)});
    return {o_(g_(y, in.x)), std::move(state)};
  }

 private:
  // One stack where all have one chunk size; or what makes keys, values and gates, then the memory.
  void MakeStacks() {
    std::vector<Box> makers, all;
    const auto adaptive = [&](Box box, Config::Projection projection) {
      if (projection == Config::ADAPTIVE) makers.push_back(box);
    };
    adaptive(Box::kKey, config_.k());
    adaptive(Box::kValue, config_.v());
    adaptive(Box::kQuery, config_.q());
    const size_t vectors = makers.size();
    adaptive(Box::kEta, config_.eta());
    if (config_.weight_decay()) adaptive(Box::kKeep, config_.keep());
    if (makers.empty() || config_.chunk() != config_.box_chunk()) {
      if (!makers.empty()) stacks_.emplace_back(config_, makers);
      stacks_.emplace_back(config_, std::vector<Box>{Box::kMemory});
      return;
    }
    makers.insert(makers.begin() + static_cast<int64_t>(vectors), Box::kMemory);
    stacks_.emplace_back(config_, makers);
  }
  bool ReadsX() const {
    for (const BoxStack& stack : stacks_) {
      for (Box box : stack.boxes()) {
        if (box != Box::kMemory && (box != Box::kValue || config_.one_input())) return true;
      }
    }
    return false;
  }
  static const char* NameOf(const BoxStack& stack) {
    return stack.Has(Box::kMemory) ? "memory" : "boxes";
  }
  static const char* NameOf(Box box) { return palimpsest::NameOf(box); }
  static std::string AnchorOf(const BoxStack& stack) {
    return absl::StrCat(NameOf(stack), "_anchor");
  }

  void MakeGates(const ParamInit& init) {
    const int64_t heads = config_.heads(), key = config_.key_dim();
    const DType dtype = StateDType(init.dtype);
    const auto source = [&](const std::string& name, Config::Projection projection) {
      if (projection == Config::STATIC) {
        gates_[name + ".weight"] = init.At(name).At("weight").Normal({heads, width_}, init.stddev);
      } else {
        ParamInit of_state = init.At(name).At("skip");
        of_state.dtype = dtype;
        gates_[name + ".skip"] = of_state.Normal({heads, 1, key}, 1.0 / std::sqrt(key));
      }
    };
    const auto bias = [&](const std::string& name, auto value) {
      std::vector<double> values;
      for (int64_t head = 0; head < heads; ++head) values.push_back(value(head));
      gates_[name] = init.Placed(Tensor::FromVector({heads}, values, dtype));
    };
    source("eta", config_.eta());
    bias("eta.bias", [&](int64_t) { return Logit(config_.eta_init() / config_.eta_max()); });
    if (config_.weight_decay()) {
      source("keep", config_.keep());
      bias("keep.bias", [&](int64_t head) {
        return Logit(std::exp(-DecayRate(config_.keep_init(), head, heads)));
      });
    }
    if (config_.momentum() != Config::NONE)
      bias("momentum", [&](int64_t) { return Logit(config_.momentum_init()); });
  }

  Tensor GateWeight(const std::string& name) const {
    const auto it = gates_.find(name);
    return it == gates_.end() ? Tensor() : it->second;
  }

  BoxConstants Constants(int64_t batch) const {
    const auto column = [&](const std::string& name) {
      const Tensor bias = GateWeight(name);
      return bias ? ForEachSequence(Reshape(bias, {config_.heads(), 1}), batch) : bias;
    };
    Tensor momentum = column("momentum");
    if (momentum) momentum = LogKeepOf(momentum);
    return {{}, column("eta.bias"), column("keep.bias"), momentum, {}};
  }

  BoxConstants ConstantsOf(const BoxStack& stack, BoxConstants all) const {
    const int64_t batch = all.eta_bias.dim(0) / config_.heads();
    if (config_.rest() == Config::FIRST) all.rest = FirstWeights(stack, batch);
    if (stack.scalars() == 0) return all;
    Tensors rows;
    for (Box box : {Box::kEta, Box::kKeep}) {
      if (stack.Has(box))
        rows.push_back(ForEachSequence(GateWeight(absl::StrCat(NameOf(box), ".skip")), batch));
    }
    all.skip = Concat(rows, 1);
    return all;
  }

  Tensors FirstWeights(const BoxStack& stack, int64_t batch) const {
    std::map<Box, Tensors> boxes;
    for (Box box : stack.boxes()) {
      for (const Tensor& w : first_.at(box)) boxes[box].push_back(ForEachSequence(w, batch));
    }
    return stack.Join(boxes);
  }

  State FreshState(const BoxStack& stack, int64_t batch) const {
    State state = FirstWeights(stack, batch);
    for (size_t i = 0; config_.momentum() != Config::NONE && i < stack.num_weights(); ++i)
      state.push_back(Tensor::Full(state[i].shape(), 0.0, state[i].dtype(), state[i].device()));
    return state;
  }

  // What matrices make of the tokens, by heads and in the dtype of the memories.
  BoxInputs Project(const MixerInput& in, NamedTensors& state) const {
    const DType dtype = StateDType(in.x.dtype());
    const auto rows = [&](const std::string& name) {
      const auto it = projections_.find(name);
      if (it == projections_.end()) return Tensor();
      return FoldHeads(Cast(it->second.Heads(config_.heads(), in.x, in.state, state), dtype));
    };
    const auto unit = [&](const Tensor& x, bool wanted) {
      return x && wanted ? L2Normalize(x) : x;
    };
    const bool unit_qk = config_.normalize_qk();
    const auto gate = [&](const std::string& name) {
      const Tensor weight = GateWeight(name + ".weight");
      if (!weight) return Tensor();
      const Tensor z = MatMul(in.x, weight, {.b = true});
      return FoldHeads(Add(Cast(z, dtype), GateWeight(name + ".bias")));
    };
    BoxInputs inputs{
        rows("x"), {}, {unit(rows("q"), unit_qk), unit(rows("k"), unit_qk), {}, {}, {}}};
    const Tensor v = config_.v() == Config::ADAPTIVE && config_.one_input() ? inputs.x : rows("v");
    if (config_.v() == Config::ADAPTIVE) {
      inputs.x_v = v;
    } else {
      inputs.signals.v = unit(v, config_.normalize_v());
    }
    if (const Tensor z = gate("eta")) inputs.signals.eta = EtaOf(config_, z);
    if (const Tensor z = gate("keep")) inputs.signals.log_keep = LogKeepOf(z);
    return inputs;
  }

  // The mean of each box's Frobenius norm, over sequences and heads.
  static void ReportNorms(const BoxStack& stack, const State& state, const StatisticSink& report) {
    for (Box box : stack.boxes()) {
      Tensors flat = RunUnrecorded([&] {
        Tensors parts = stack.Of(box, state);
        for (Tensor& w : parts) w = Reshape(w, {w.dim(0), w.dim(1) * w.dim(2)});
        return Tensors{Concat(parts, 1)};
      });
      report(absl::StrCat("norm.", NameOf(box)), MeanNorm(flat[0], 1));
    }
  }

  static void ReportGates(const BoxSignals& signals, const StatisticSink& report) {
    PutSummary(report, "gates.eta", Summarize(signals.eta));
    if (!signals.log_keep) return;
    const Tensor keep = RunUnrecorded([&] { return Tensors{Exp(signals.log_keep)}; })[0];
    PutSummary(report, "gates.keep", Summarize(keep));
  }

  const Config config_;
  const int64_t width_;
  std::vector<BoxStack> stacks_;
  std::map<std::string, Projection> projections_;
  std::map<std::string, Tensor> gates_;  // By what follows the layer's path.
  std::map<Box, Tensors> first_;         // [heads, ...]
  Linear o_;
  OutputGate g_;
  NormLayer o_norm_;
};

}  // namespace

std::unique_ptr<Mixer> MakeSelfModifying(const ParamInit& init, const ModelConfig& model,
                                         const ModelConfig::SelfModifying& config) {
  return std::make_unique<SelfModifying>(init, model, config);
}

}  // namespace palimpsest
