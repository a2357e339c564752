#include "nn/cms_level.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/op_scope.h"
#include "core/tape.h"
#include "memory_rules/mlp_level.h"
#include "nn/config_check.h"
#include "nn/gate.h"
#include "nn/mlp_layer.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

using Cms = ModelConfig::Cms;

MlpLevelOptions OptionsOf(const Cms& config, const Cms::Level& level) {
  using Network = MlpLevelOptions::Network;
  const auto kind = level.mlp().kind();
  return {.network = kind == ModelConfig::Mlp::SWIGLU ? Network::kSwiglu
                     : kind == ModelConfig::Mlp::GELU ? Network::kGelu
                                                      : Network::kRelu,
          .objective = config.objective() == Cms::DOT ? Objective::kDot : Objective::kL2,
          .average = config.reduce() == Cms::MEAN,
          .per_channel = level.rate_per_channel(),
          .first_order = config.writes() == Cms::FIRST_ORDER,
          .max_update = config.max_update()};
}

// The mean over the batch of |after - before| / |before|, all matrices of a memory together.
double UpdateRatio(const Tensors& before, const Tensors& after) {
  const Tensors ratio = RunUnrecorded([&] {
    Tensor moved, size;
    for (size_t i = 0; i < before.size(); ++i) {
      const Tensor step = Sub(after[i], before[i]);
      const Tensor m = Sum(Mul(step, step), {1, 2}), s = Sum(Mul(before[i], before[i]), {1, 2});
      moved = moved ? Add(moved, m) : m;
      size = size ? Add(size, s) : s;
    }
    return Tensors{Mean(Sqrt(Div(moved, Add(size, 1e-30))))};
  });
  return ratio[0].Item();
}

class CmsLevel : public Mixer {
 public:
  CmsLevel(const ParamInit& init, const ModelConfig& model, const Cms& config, int index)
      : rule_(OptionsOf(config, config.level(index))),
        period_(config.level(index).period()),
        restart_(config.order() == Cms::NESTED ? SlowerPeriod(config, index) : 0),
        keep_(config.level(index).keep()),
        frozen_(config.level(index).frozen()),
        flush_(config.flush()),
        dtype_(StateDType(init.dtype)),
        mlp_(MakeMlp(init, config.level(index).mlp(), model.width())) {
    if (frozen_) return;
    const Cms::Level& level = config.level(index);
    const int64_t width = model.width();
    if (config.project_keys()) k_ = MakeLinear(init.At("k"), width, width, init.stddev);
    if (config.project_values()) v_ = MakeLinear(init.At("v"), width, width, init.stddev);
    ModelConfig::Gate rate;
    rate.set_init(level.rate());
    rate.set_data_dependent(level.rate_data_dependent());
    rate_ = MakeGate(init.At("rate"), rule_.gates()[0], rate, width, {1, width, width});
  }

  void ForEachParam(const std::string& path, ParamVisitor visit) override {
    mlp_.ForEachParam(path, visit);
    k_.ForEachParam(path + ".k", visit);
    v_.ForEachParam(path + ".v", visit);
    if (!frozen_) rate_.ForEachParam(path + ".rate", visit);
  }

  NamedTensors InitState(int64_t batch) const override { return Named(Fresh(batch)); }
  // Without making the state: of a model of shapes alone there is nothing to make it of.
  int64_t StateBytes(int64_t) const override {
    int64_t elements = 2;  // "tokens" and "updates".
    for (const Linear* linear : {&mlp_.gate, &mlp_.up, &mlp_.down})
      elements += linear->weight ? 2 * linear->weight.size() : 0;
    return elements * static_cast<int64_t>(SizeOf(dtype_));
  }

  MixerResult Forward(const MixerInput& in) const override {
    const OpScope scope("cms_level");
    State state = Load(in.state);
    const Tensor x = Cast(in.x, dtype_);
    if (frozen_) return {Cast(rule_.Read(state, x), in.x.dtype()), in.state};
    Watch watch{in.statistics};
    Tensors ys;
    int64_t position = in.position;
    for (const Rows& chunk : Chunks(x, in)) {
      ScanResult r = rule_.Chunk(chunk, state, state);
      ys.push_back(std::move(r.y));
      state = std::move(r.state);
      position += chunk.q.dim(1);
      if (position % period_ == 0) {
        state = Written(std::move(state), watch);
        if (restart_ > 0 && position % restart_ == 0) state = Restarted(state);
      }
    }
    if (flush_ && x.dim(1) > 0 && position % period_ != 0) state = Written(std::move(state), watch);
    watch.Report(rule_.Updates(state));
    const Tensor y = ys.empty() ? x : Concat(ys, 1);
    return {Cast(y, in.x.dtype()), Named(state)};
  }

 private:
  // What a call's writes amount to, where someone wants to know.
  struct Watch {
    const StatisticSink& sink;
    double ratio = 0.0;
    int64_t writes = 0;

    void See(const Tensors& before, const Tensors& after) {
      if (!sink) return;
      ratio += UpdateRatio(before, after);
      ++writes;
    }
    void Report(const Tensor& updates) const {
      if (!sink) return;
      sink("updates", RunUnrecorded([&] { return Tensors{Mean(updates)}; })[0].Item());
      if (writes > 0) sink("update_ratio", ratio / static_cast<double>(writes));
    }
  };

  // The tokens of a call by the chunks of the stream they belong to, with what is learnt of them.
  std::vector<Rows> Chunks(const Tensor& x, const MixerInput& in) const {
    if (x.dim(1) == 0) return {};
    std::vector<int64_t> lengths;
    for (int64_t at = 0; at < x.dim(1); at += lengths.back())
      lengths.push_back(std::min(period_ - (in.position + at) % period_, x.dim(1) - at));
    const Tensor gate = rate_(in.x, in.x);  // [batch, time, 1(, width)]
    Shape shape = {x.dim(0), x.dim(1)};
    if (gate.rank() == 4) shape.push_back(gate.dim(3));
    const Tensor eta = Reshape(gate, shape);
    if (in.statistics)
      in.statistics("rate", RunUnrecorded([&] { return Tensors{Mean(eta)}; })[0].Item());
    const auto cut = [&](const Tensor& t) { return Split(t, lengths, 1); };
    const Tensors q = cut(x), k = k_.weight ? cut(Projected(k_, in.x)) : q,
                  v = v_.weight ? cut(Projected(v_, in.x)) : q, etas = cut(eta);
    std::vector<Rows> chunks;
    for (size_t i = 0; i < lengths.size(); ++i)
      chunks.push_back({q[i], k[i], v[i], {{"eta", etas[i]}}});
    return chunks;
  }

  Tensor Projected(const Linear& linear, const Tensor& x) const { return Cast(linear(x), dtype_); }

  State Written(State state, Watch& watch) const {
    const Tensors before = rule_.WeightsOf(state);
    state = rule_.EndChunk(Kept(std::move(state)), {});
    watch.See(before, rule_.WeightsOf(state));
    return state;
  }

  // Towards the weights of a stream that begins.
  State Kept(State state) const {
    if (keep_ == 1.0) return state;
    const State fresh = Fresh(state[0].dim(0));
    for (int i = 0; i < rule_.num_weights(); ++i)
      state[i] = Add(fresh[i], Mul(Sub(state[i], fresh[i]), keep_));
    return state;
  }

  State Restarted(const State& state) const {
    const Tensor& updates = MlpLevel::Updates(state);
    return MlpLevel::WithUpdates(Fresh(updates.dim(0)), updates);
  }

  // Of a stream that begins: the learnt weights, for each sequence.
  State Fresh(int64_t batch) const {
    Tensors weights;
    for (const Linear* linear : {&mlp_.gate, &mlp_.up, &mlp_.down}) {
      if (!linear->weight) continue;
      const Tensor w = Cast(linear->weight, dtype_);
      const Tensor one = Reshape(w, {1, w.dim(0), w.dim(1)});
      weights.push_back(BroadcastTo(one, {batch, w.dim(0), w.dim(1)}));
    }
    return MlpLevel::Fresh(weights);
  }

  NamedTensors Named(const State& state) const {
    const std::vector<std::string> names = rule_.state_names();
    NamedTensors named;
    for (size_t i = 0; i < names.size(); ++i) named[names[i]] = state[i];
    return named;
  }
  State Load(const NamedTensors& named) const {
    State state;
    for (const std::string& name : rule_.state_names()) state.push_back(Carried(named, name));
    return state;
  }

  const MlpLevel rule_;
  const int64_t period_, restart_;  // restart_: tokens from one fresh start to the next, or 0.
  const double keep_;
  const bool frozen_, flush_;
  const DType dtype_;
  Mlp mlp_;
  Linear k_, v_;
  GateLayer rate_;
};

}  // namespace

std::unique_ptr<Mixer> MakeCmsLevel(const ParamInit& init, const ModelConfig& model,
                                    const Cms& config, int index) {
  const Cms::Level& level = config.level(index);
  if (level.period() == 0) return MakeMlpLayer(init, model, level.mlp());
  return std::make_unique<CmsLevel>(init, model, config, index);
}

}  // namespace palimpsest
