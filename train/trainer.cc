#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/loss.h"
#include "train/config.h"
#include "train/device.h"
#include "train/evaluate.h"
#include "train/init_from.h"
#include "train/run_plan.h"

namespace palimpsest {
namespace {

int64_t CountLabels(const Tensor& labels) {
  const int32_t* data = labels.data<int32_t>();
  return labels.size() - std::count(data, data + labels.size(), kIgnoreLabel);
}

}  // namespace

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
  return absl::OkStatus();
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

Trainer::Gradients Trainer::ComputePart(const Examples& part, double share, int64_t index,
                                        const StatisticSink& statistics) {
  const RandomStream dropout = RandomStream(config_.seed(), "dropout", step_).Fork(index);
  Tape tape;
  tape.Watch(params_);
  LendParams();
  const ForwardOptions options{.dropout = &dropout, .statistics = statistics};
  const Tensor labels = CopyTo(part.labels, device_);
  Tensor loss = CrossEntropy(model_->Forward(part.tokens, options).logits, labels);
  if (share != 1) loss = Mul(loss, share);
  return {loss.Item(), tape.Gradient(loss, params_)};
}

// Parts have the weight of their labels, so that their sum is the gradient of the whole batch.
Trainer::Gradients Trainer::ComputeGradients(const StatisticSink& statistics) {
  const Examples batch = data_->TrainBatch(step_, config_.batch());
  const int64_t parts = config_.grad_accumulation(), rows = config_.batch() / parts;
  const int64_t all_labels = CountLabels(batch.labels);
  Gradients sum{};
  for (int64_t i = 0; i < parts; ++i) {
    const Examples part{batch.tokens.Rows(i * rows, (i + 1) * rows),
                        batch.labels.Rows(i * rows, (i + 1) * rows)};
    const double share =
        parts == 1 || all_labels == 0
            ? 1
            : static_cast<double>(CountLabels(part.labels)) / static_cast<double>(all_labels);
    Gradients g = ComputePart(part, share, i, i == 0 ? statistics : StatisticSink());
    sum.loss += g.loss;
    if (i == 0) {
      sum.grads = std::move(g.grads);
      continue;
    }
    for (auto& [path, grad] : sum.grads) grad = Add(grad, g.grads.at(path));
  }
  return sum;
}

absl::Status Trainer::ExplainNotFinite(const std::string& what) {
  std::string first;
  for (const auto& [path, param] : params_) {
    if (AllFinite(param)) continue;
    first = absl::StrCat("parameter ", path, " ", Describe(param), " was not finite before");
    break;
  }
  if (first.empty()) {
    const FiniteWatch watch;
    ComputeGradients();
    first = absl::StrCat("it began where ", watch.first());
  }
  return absl::InternalError(
      absl::StrCat("step ", step_ + 1, ": ", what, "; ", first,
                   ". Nothing was updated. A lower learning rate, more warmup "
                   "or clipping may help"));
}

std::unique_ptr<PairSumsTap> Trainer::Listen() const {
  return optimizer_->Listen(params_, optimizer_state_, step_,
                            static_cast<double>(config_.batch() * config_.length()));
}

// A level keyed on activations that saw none.
absl::Status CheckSeen(const PairSumsTap* pairs) {
  if (pairs == nullptr || pairs->Unseen().empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "optimizer: ", pairs->Unseen().front(),
      " is trained by a level keyed on activations, but is the weight of no linear layer; a group "
      "that matches it can name another optimizer"));
}

absl::StatusOr<StepResult> Trainer::Step(bool with_statistics, const GradientSink& see_gradients) {
  const std::unique_ptr<PairSumsTap> pairs = Listen();
  std::map<std::string, double> statistics;
  const StatisticSink sink = [&](const std::string& path, double value) {
    statistics[path] = value;
  };
  Gradients gradients = ComputeGradients(with_statistics ? sink : StatisticSink());
  if (absl::Status s = CheckSeen(pairs.get()); !s.ok()) return s;
  const bool skips = config_.optimizer().non_finite() == OptimizerConfig::SKIP;
  if (!std::isfinite(gradients.loss) && !skips)
    return ExplainNotFinite(absl::StrCat("the loss is ", gradients.loss));
  // Skipped as a gradient that is not finite is, which it may well have.
  if (!std::isfinite(gradients.loss)) {
    Tensor& g = gradients.grads.begin()->second;
    g = Tensor::Full(g.shape(), gradients.loss, g.dtype(), g.device());
  }
  if (see_gradients) see_gradients(gradients.grads);
  TakeParamsBack();
  UpdateResult update = optimizer_->Update(std::move(params_), std::move(gradients.grads),
                                           std::move(optimizer_state_), step_, {}, pairs.get());
  params_ = std::move(update.params);
  optimizer_state_ = std::move(update.state);
  if (!update.non_finite().empty() && !skips)
    return ExplainNotFinite(
        absl::StrCat("the gradient of ", update.non_finite(), " is not finite"));
  ++step_;
  return StepResult{step_,
                    gradients.loss,
                    update.grad_norm(),
                    update.learning_rate,
                    optimizer_->Skipped(optimizer_state_),
                    tokens(),
                    std::move(statistics)};
}

Score Trainer::Evaluate(int64_t batches) {
  return *EvaluateUnless([] { return false; }, batches);
}

std::optional<Score> Trainer::EvaluateUnless(absl::FunctionRef<bool()> stop, int64_t batches) {
  const NamedTensors params = optimizer_->Averaged(params_, optimizer_state_);
  model_->ForEachParam([&](const std::string& path, Tensor& param) { param = params.at(path); });
  return palimpsest::EvaluateUnless(stop, *model_, *data_, config_.batch(), batches);
}

absl::StatusOr<Checkpoint> Trainer::MakeCheckpoint(const std::string& version) const {
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
  return absl::OkStatus();
}

}  // namespace palimpsest
