#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/tape.h"
#include "train/config.h"
#include "train/device.h"
#include "train/evaluate.h"
#include "train/init_from.h"
#include "train/run_plan.h"

namespace palimpsest {
absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(const TrainConfig& config,
                                                         std::unique_ptr<DataSource> data,
                                                         bool restores) {
  absl::StatusOr<RunPlan> plan = PlanRun(config, std::move(data), CheckFreeMemory);
  if (!plan.ok()) return plan.status();
  std::unique_ptr<Trainer> trainer(new Trainer(std::move(plan->config)));
  trainer->data_ = std::move(plan->data);
  trainer->optimizer_ = std::move(plan->optimizer);
  if (absl::Status s = trainer->MakeParams(restores); !s.ok()) return s;
  return trainer;
}

absl::Status Trainer::MakeParams(bool restores) {
  const absl::StatusOr<Device> device = ConfigDevice(config_);
  if (!device.ok()) return device.status();
  device_ = *device;
  auto model = LanguageModel::Create(config_.model(), RandomStream(config_.seed(), "init"),
                                     *ConfigDType(config_), device_);
  if (!model.ok()) return model.status();
  model_ = *std::move(model);
  params_ = Params(*model_);
  if (!config_.init_from().empty() && !restores) {
    absl::StatusOr<NamedTensors> params = ParamsFrom(config_.init_from(), *model_);
    if (!params.ok()) return params.status();
    params_ = *std::move(params);
  }
  optimizer_state_ = optimizer_->Init(params_);
  gradients_ = std::make_unique<BatchGradients>(model_.get(), &config_);
  graphs_ = std::make_unique<StepGraphs>(device_);
  ResetGuard();
  return absl::OkStatus();
}

void Trainer::ResetGuard() {
  guard_ = {};
  if (!optimizer_->Skipped(optimizer_state_))
    guard_.failed = Tensor::Full({}, 0.0, DType::kF64, device_);
  BeginToCountSkipped();
}

void Trainer::BeginToCountSkipped() {
  const Tensor skipped = optimizer_->Skipped(optimizer_state_);
  skipped_ = skipped && !optimizer_->Phases(0, device_).empty()
                 ? std::make_unique<PendingItem>(skipped)
                 : nullptr;
}

void Trainer::LendParams() {
  model_->ForEachParam([&](const std::string& path, Tensor& param) { param = params_.at(path); });
}

// So that no one else holds them and the optimizer updates them in place. An empty tensor stays
// where each was: a layer without one would not be asked for it again.
void Trainer::TakeParamsBack() {
  const Tensor lent = Tensor::Empty({0}, DType::kF32);
  model_->ForEachParam([&](const std::string&, Tensor& param) { param = lent; });
}

LanguageModel& Trainer::model() {
  LendParams();
  return *model_;
}

absl::Status Trainer::Verify() {
  const int64_t failed = guard_.failed ? std::llround(guard_.failed.Item()) : 0;
  if (failed == 0) return absl::OkStatus();
  step_ -= failed;
  ResetGuard();
  return ExplainNotFinite();
}

// Of the step after those done, made once more.
absl::Status Trainer::ExplainNotFinite() {
  const FiniteWatch watch;
  LendParams();
  const auto [loss, gradients] = gradients_->Of(CopyTo(HostInputs(), device_), params_);
  std::string what = absl::StrCat("the loss is ", loss.Item());
  if (std::isfinite(loss.Item())) {
    const auto bad = std::find_if_not(gradients.begin(), gradients.end(),
                                      [](const auto& entry) { return AllFinite(entry.second); });
    what = absl::StrCat("the gradient of ", bad == gradients.end() ? "(their norm)" : bad->first,
                        " is not finite");
  }
  std::string first = absl::StrCat("it began where ", watch.first());
  for (const auto& [path, param] : params_) {
    if (AllFinite(param)) continue;
    first = absl::StrCat("parameter ", path, " ", Describe(param), " was not finite before");
    break;
  }
  return absl::InternalError(
      absl::StrCat("step ", step_ + 1, ": ", what, "; ", first,
                   ". Nothing was updated. A lower learning rate, more warmup "
                   "or clipping may help"));
}

std::unique_ptr<PairSumsTap> Trainer::Listen(const Tensor& numbers) const {
  return optimizer_->Listen(params_, optimizer_state_, step_,
                            static_cast<double>(config_.batch() * config_.length()), {}, numbers);
}

// A level keyed on activations that saw none.
absl::Status CheckSeen(const PairSumsTap* pairs) {
  if (pairs == nullptr || pairs->Unseen().empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "optimizer: ", pairs->Unseen().front(),
      " is trained by a level keyed on activations, but is the weight of no linear layer; a group "
      "that matches it can name another optimizer"));
}

std::optional<std::vector<const void*>> Trainer::PlacesToUpdate() const {
  std::vector<const void*> places;
  bool alone = true;
  const auto add = [&](const Tensor& x) {
    places.push_back(x.raw());
    alone = alone && x.Unique();
  };
  for (const auto& [path, param] : params_) add(param);
  for (const auto& [path, x] : optimizer_state_) add(x);
  if (guard_.failed) add(guard_.failed);
  if (!alone) return {};
  return places;
}

StepInputs Trainer::HostInputs() const {
  return gradients_->Inputs(data_->TrainBatch(step_, config_.batch()), step_,
                            optimizer_->StepNumbers(step_));
}

absl::StatusOr<StepMade> Trainer::MakeStep(const StepInputs& inputs,
                                           const StatisticSink& statistics,
                                           const GradientSink& see_gradients) {
  LendParams();
  const std::unique_ptr<PairSumsTap> pairs = Listen(inputs.numbers);
  BatchGradients::Result batch = gradients_->Of(inputs, params_, statistics);
  if (absl::Status s = CheckSeen(pairs.get()); !s.ok()) return s;
  if (see_gradients) see_gradients(batch.gradients);
  if (pairs != nullptr) pairs->Close();
  TakeParamsBack();
  guard_.loss = batch.loss, guard_.numbers = inputs.numbers;
  UpdateResult update =
      optimizer_->Update(std::move(params_), std::move(batch.gradients),
                         std::move(optimizer_state_), step_, {}, pairs.get(), &guard_);
  params_ = std::move(update.params);
  optimizer_state_ = std::move(update.state);
  guard_.loss = {}, guard_.numbers = {};
  return StepMade{std::move(batch.loss), std::move(update.gradients)};
}

std::optional<StepMade> Trainer::MakeRecordedStep(const StepInputs& inputs) {
  TakeParamsBack();
  const std::optional<std::vector<const void*>> places = PlacesToUpdate();
  if (!places) return {};
  const int64_t made = step_ - guard_.skipped.value_or(0);
  return graphs_->Make(
      {optimizer_->Phases(made, device_), *places, inputs}, [&](const StepInputs& there) {
        absl::StatusOr<StepMade> step = MakeStep(there);
        PALIMPSEST_CHECK(step.ok()) << step.status();
        PALIMPSEST_CHECK(PlacesToUpdate() == places) << "an update moved what it was to change";
        return *std::move(step);
      });
}

absl::StatusOr<StepResult> Trainer::Step(bool with_statistics, const GradientSink& see_gradients) {
  std::map<std::string, double> statistics;
  const StatisticSink sink = [&](const std::string& path, double value) {
    statistics[path] = value;
  };
  const bool looks = with_statistics || see_gradients != nullptr;
  if (skipped_ != nullptr) guard_.skipped = std::llround(skipped_->Get());
  const StepInputs inputs = HostInputs();
  std::optional<StepMade> made;
  if (config_.cuda_graph() && !looks) made = MakeRecordedStep(inputs);
  if (!made) {
    absl::StatusOr<StepMade> by_ops =
        MakeStep(CopyTo(inputs, device_), with_statistics ? sink : StatisticSink(), see_gradients);
    if (!by_ops.ok()) return by_ops.status();
    made = *std::move(by_ops);
  }
  BeginToCountSkipped();
  StepResult result{.step = step_ + 1,
                    .learning_rate = optimizer_->LearningRate(step_),
                    .tokens = 0,
                    .statistics = std::move(statistics),
                    .batch_loss = std::move(made->loss),
                    .steps_skipped = Kept(optimizer_->Skipped(optimizer_state_)),
                    .gradients = std::move(made->gradients)};
  ++step_;
  result.tokens = tokens();
  if (device_ == Device::kCpu) {
    if (absl::Status s = Verify(); !s.ok()) return s;
  }
  return result;
}

Score Trainer::Evaluate(int64_t batches) {
  return *EvaluateUnless([] { return false; }, batches);
}

std::optional<Score> Trainer::EvaluateUnless(absl::FunctionRef<bool()> stop, int64_t batches) {
  const NamedTensors params = optimizer_->Averaged(params_, optimizer_state_);
  model_->ForEachParam([&](const std::string& path, Tensor& param) { param = params.at(path); });
  return palimpsest::EvaluateUnless(stop, *model_, *data_, config_.batch(), batches);
}

absl::StatusOr<Checkpoint> Trainer::MakeCheckpoint(const std::string& version) {
  if (absl::Status s = Verify(); !s.ok()) return s;
  for (const auto& [path, param] : params_) {
    if (!AllFinite(param))
      return absl::InternalError(absl::StrCat("step ", step_, ": the update made parameter ", path,
                                              " not finite; it is not saved"));
  }
  return Checkpoint{.params = params_,
                    .optimizer = optimizer_state_,
                    .state = {},
                    .step = step_,
                    .tokens = tokens(),
                    .seed = config_.seed(),
                    .stream = static_cast<uint64_t>(step_),
                    .data = step_ * config_.batch(),
                    .config = ConfigText(config_),
                    .version = version};
}

absl::Status Trainer::Restore(const std::string& where, Checkpoint checkpoint) {
  absl::Status status = MatchTensors(where, "parameters", checkpoint.params, params_);
  status.Update(MatchTensors(where, "optimizer state", checkpoint.optimizer, optimizer_state_));
  if (!status.ok()) return status;
  // Each to where the one it replaces is.
  for (auto& [path, param] : params_) param = CopyTo(checkpoint.params.at(path), param.device());
  for (auto& [path, x] : optimizer_state_) x = CopyTo(checkpoint.optimizer.at(path), x.device());
  step_ = checkpoint.step;
  ResetGuard();
  return absl::OkStatus();
}

}  // namespace palimpsest
