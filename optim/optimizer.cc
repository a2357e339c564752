#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/op_scope.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "optim/chain.h"
#include "optim/describe_settings.h"
#include "optim/gradients.h"
#include "optim/in_place.h"
#include "optim/levels.h"
#include "optim/settings.h"
#include "optim/treatment.h"
#include "optim/update_job.h"

namespace palimpsest {
namespace {

constexpr char kSkipped[] = "skipped";
constexpr char kAverage[] = "average";
constexpr char kAverageKeep[] = "average_keep";

class ChainOptimizer : public Optimizer {
 public:
  ChainOptimizer(Settings main, const OptimizerConfig& config)
      : main_(std::move(main)),
        clip_norm_(config.clip_norm()),
        skips_(config.non_finite() == OptimizerConfig::SKIP),
        average_keep_(config.average_keep()),
        average_(EmaLevel({.slot = kAverage}, {.keep = Hyper(kAverageKeep)})) {}

  absl::Status Add(const std::string& path, const Settings& settings, const Tensor& param) {
    Treatment& t = treatments_[Describe(settings)];
    if (t.paths.empty()) {
      t.settings = settings;
      absl::StatusOr<Chain> chain = MakeChain(settings.config, settings.hypers, "optimizer");
      if (!chain.ok()) return chain.status();
      t.chain = *std::move(chain);
    }
    t.paths.push_back(path);
    t.values += param.size();
    if (settings.frozen) return absl::OkStatus();
    const std::string kind = palimpsest::Describe(param);
    const auto [bytes, is_new] = t.state_bytes_of.emplace(kind, 0);
    if (is_new) {
      const Tensor alike = Tensor::Empty(param.shape(), param.dtype());
      const NamedTensors state = InitOne(t.chain, alike);
      bytes->second = TotalBytes(state);
      if (param.rank() > 2 && t.chain.ListenTo(alike, 1.0, StepHypers(settings, 0, {}), state))
        return absl::InvalidArgumentError(
            absl::StrCat("optimizer: ", settings.optimizer,
                         " learns from the inputs of linear layers; parameter ", path, " is ", kind,
                         "; a group can give it another optimizer"));
    }
    t.state_bytes += bytes->second;
    return absl::OkStatus();
  }

  int64_t StateBytes() const override {
    int64_t bytes = 0;
    for (const auto& [description, t] : treatments_) bytes += t.state_bytes;
    return bytes;
  }

  NamedTensors Init(const NamedTensors& params) const override {
    NamedTensors state;
    if (skips_) {
      const Device device = params.empty() ? Device::kCpu : params.begin()->second.device();
      state[kSkipped] = Tensor::Full({}, 0.0, DType::kF64, device);
    }
    ForEachTrained(treatments_, [&](const Treatment& t, const std::string& path) {
      for (auto& [slot, x] : InitOne(t.chain, params.at(path)))
        state.emplace(absl::StrCat(path, ".", slot), std::move(x));
    });
    return state;
  }

  std::unique_ptr<PairSumsTap> Listen(const NamedTensors& params, const NamedTensors& state,
                                      int64_t step, double tokens, const NamedTensors& hypers,
                                      const Tensor& numbers) const override {
    std::map<uint64_t, PairSumsTap::Listener> listeners;
    for (const auto& [description, of_step] : StepHypers(treatments_, step, hypers, numbers)) {
      const Treatment& t = treatments_.at(description);
      for (const std::string& path : t.paths) {
        const Tensor& param = params.at(path);
        auto request = t.chain.ListenTo(param, tokens, of_step, PeekUnder(path, state));
        if (!request) continue;
        listeners[param.id()] = {path, *std::move(request),
                                 param.dtype() == DType::kF64 ? DType::kF64 : DType::kF32,
                                 t.chain.UsesGradient()};
      }
    }
    if (listeners.empty()) return nullptr;
    return std::make_unique<PairSumsTap>(std::move(listeners));
  }

  UpdateResult Update(NamedTensors params, NamedTensors grads, NamedTensors state, int64_t step,
                      const NamedTensors& hypers, const PairSumsTap* pairs,
                      StepGuard* guard) const override {
    const OpScope scope("optimizer");
    CheckHypers(treatments_, hypers);
    DropFrozen(treatments_, grads);
    CheckGradients(treatments_, params, grads);
    if (pairs != nullptr) TakePairGradients(*pairs, grads);
    UpdateResult result{.params = std::move(params), .state = std::move(state)};
    Tensor* const skipped = skips_ ? &result.state.at(kSkipped) : nullptr;
    result.gradients = MeasureGradients(grads, clip_norm_, skipped, guard);
    const Tensor numbers = guard == nullptr ? Tensor() : guard->numbers;
    const Tensor steps = StepsMade(step, numbers, skipped);
    const std::map<std::string, Hypers> of_step = StepHypers(treatments_, step, hypers, numbers);
    std::map<std::string, Tensors> sums;
    std::vector<UpdateJob> jobs;
    for (const auto& [description, hypers] : of_step) {
      const Treatment& t = treatments_.at(description);
      const ChainStep now{step, steps, hypers, result.gradients.scale, sums[description]};
      for (const std::string& path : t.paths) {
        Signal signal{.gradient = std::exchange(grads.at(path), Tensor())};
        if (pairs != nullptr && pairs->sums().contains(path)) signal.pairs = pairs->sums().at(path);
        jobs.push_back({&t.chain, path, now, std::exchange(result.params.at(path), Tensor()),
                        std::move(signal), TakeUnder(path, result.state)});
      }
    }
    grads.clear();
    ChooseFused(jobs);
    if (skips_) LeaveOutSkipped(jobs, *skipped, guard);
    RunUnlessNotFinite(jobs, result, sums);
    for (UpdateJob& job : jobs) {
      result.params.at(job.path) = std::move(job.param);
      for (auto& [slot, x] : job.state)
        result.state[absl::StrCat(job.path, ".", slot)] = std::move(x);
    }
    return result;
  }

  std::vector<int64_t> Phases(int64_t made, Device device) const override {
    return palimpsest::Phases(treatments_, made, device);
  }

  Tensor StepNumbers(int64_t step) const override {
    return palimpsest::StepNumbers(treatments_, step);
  }

  double LearningRate(int64_t step) const override {
    return StepLearningRate(main_, step, {}).Item();
  }

  NamedTensors Averaged(const NamedTensors& params, const NamedTensors& state) const override {
    NamedTensors averaged = params;
    if (average_keep_ == 0.0) return averaged;
    ForEachTrained(treatments_, [&](const Treatment&, const std::string& path) {
      Tensor& p = averaged.at(path);
      p = Cast(Reshape(state.at(absl::StrCat(path, ".", kAverage)), p.shape()), p.dtype());
    });
    return averaged;
  }

  Tensor Skipped(const NamedTensors& state) const override {
    return skips_ ? state.at(kSkipped) : Tensor();
  }

  std::vector<std::string> Summary() const override { return palimpsest::Summary(treatments_); }

 private:
  NamedTensors InitOne(const Chain& chain, const Tensor& param) const {
    NamedTensors state = chain.Init(param);
    if (average_keep_ == 0.0) return state;
    for (auto& [slot, x] :
         average_->Init(param.shape(), param.dtype() == DType::kF64 ? DType::kF64 : DType::kF32)) {
      state[slot] = Reshape(Cast(param, x.dtype()), x.shape());
    }
    return state;
  }

  // Where nothing needs the gradient itself, that with keys of unit length stands for it.
  void TakePairGradients(const PairSumsTap& pairs, NamedTensors& grads) const {
    ForEachTrained(treatments_, [&](const Treatment& t, const std::string& path) {
      const auto it = pairs.sums().find(path);
      if (it == pairs.sums().end() || t.chain.UsesGradient()) return;
      Tensor& g = grads.at(path);
      g = Cast(it->second.value_key, g.dtype());
    });
  }

  // Kernels see for themselves whether the gradients are finite. For what is made of ops the host
  // asks, if it need not wait for the answer; else that is made, and then taken or left.
  void RunUnlessNotFinite(std::vector<UpdateJob>& jobs, const UpdateResult& result,
                          std::map<std::string, Tensors>& sums) const {
    const bool alone = average_keep_ == 0.0 &&
                       std::all_of(jobs.begin(), jobs.end(), [](const auto& j) { return j.fused; });
    const Tensor& scale = result.gradients.scale;
    Tensor finite;  // i32 [], where it is to be asked.
    if (!alone && HostReads(scale)) {
      if (std::isnan(scale.Item())) return;
    } else if (!alone) {
      finite = Equal(scale, scale);
    }
    SumOverParameters(jobs, sums);
    RunFused(jobs);
    RunJobs(jobs, [&](UpdateJob& job) { Run(job, finite); });
  }

  // Tells chains with phases which step they make, if they make one.
  static void LeaveOutSkipped(std::vector<UpdateJob>& jobs, const Tensor& skipped,
                              const StepGuard* guard) {
    const auto asks = [](const UpdateJob& job) {
      return !job.fused && !job.chain->Phases(0).empty();
    };
    if (std::none_of(jobs.begin(), jobs.end(), asks)) return;
    const bool known = guard != nullptr && guard->skipped;
    const int64_t steps = known ? *guard->skipped : std::llround(skipped.Item());
    for (UpdateJob& job : jobs) job.step.step -= steps;
  }

  // For those that are trained alike, by description, the sums they ask for: over the parameters of
  // their optimizer for which these are asked.
  void SumOverParameters(const std::vector<UpdateJob>& jobs,
                         std::map<std::string, Tensors>& sums) const {
    std::map<std::string, Tensors> of_optimizer;
    std::set<std::string> asking;
    auto job = jobs.begin();
    for (const auto& [description, t] : treatments_) {
      if (t.settings.frozen) continue;
      Tensors& total = of_optimizer[t.settings.optimizer];
      for (size_t i = 0; i < t.paths.size(); ++i, ++job) {
        if (job->fused) continue;
        const Tensors own = t.chain.Sums(job->param, job->signal, job->state, job->step);
        if (!own.empty()) asking.insert(description), total.resize(own.size());
        for (size_t k = 0; k < own.size(); ++k)
          total[k] = total[k] ? palimpsest::Add(total[k], own[k]) : own[k];
      }
    }
    for (const std::string& description : asking)
      sums.at(description) = of_optimizer.at(treatments_.at(description).settings.optimizer);
  }

  // Changes nothing where `finite` is there, and 0; then what is changed stays where it is, as who
  // recorded where parameters are wants it.
  void Run(UpdateJob& job, const Tensor& finite) const {
    Tensor param = finite ? job.param : Tensor();
    NamedTensors state = finite ? job.state : NamedTensors();
    if (!job.fused) job.chain->Update(job.param, std::move(job.signal), job.state, job.step);
    if (average_keep_ != 0.0) {
      const Tensor& whole = job.param.dtype() == DType::kBf16 ? job.state.at("master") : job.param;
      const Hypers keep = {{kAverageKeep, Tensor::Full({}, average_keep_, DType::kF64)}};
      average_->Update({whole}, {job.step.step, job.step.steps, keep, {}}, job.state);
    }
    if (!finite) return;
    const auto take = [&](Tensor& x, Tensor& before) {
      if (x.id() == before.id()) return;
      Replace(before, x, finite);
      x = std::move(before);
    };
    take(job.param, param);
    for (auto& [slot, x] : job.state) take(x, state.at(slot));
  }

  const Settings main_;
  const double clip_norm_;
  const bool skips_;
  const double average_keep_;
  const std::unique_ptr<Level> average_;
  Treatments treatments_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Optimizer>> Optimizer::Create(const OptimizerConfig& config,
                                                             const NamedTensors& params) {
  absl::StatusOr<std::map<std::string, Settings>> settings = ResolveSettings(config, params);
  if (!settings.ok()) return settings.status();
  absl::StatusOr<Settings> main = MainSettings(config);
  if (!main.ok()) return main.status();
  auto optimizer = std::make_unique<ChainOptimizer>(*std::move(main), config);
  for (const auto& [path, s] : *settings) {
    if (absl::Status status = optimizer->Add(path, s, params.at(path)); !status.ok()) return status;
  }
  return optimizer;
}

}  // namespace palimpsest
