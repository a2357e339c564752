#ifndef TRAIN_TRAINER_H_
#define TRAIN_TRAINER_H_

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/pending_item.h"
#include "nn/model.h"
#include "optim/optimizer.h"
#include "tasks/data.h"
#include "train/batch_gradients.h"
#include "train/checkpoint.h"
#include "train/config.pb.h"
#include "train/metrics.h"
#include "train/step_graphs.h"

namespace palimpsest {

struct StepResult {
  int64_t step;  // Steps done, this one included.
  double learning_rate;
  int64_t tokens;  // Trained on so far.
  // What the model's parts said of the batch (its first part, with accumulation), if asked for.
  std::map<std::string, double> statistics = {};

  // These wait for the device.
  double loss() const { return batch_loss.Item(); }  // Of the batch, before the update.
  double grad_norm() const { return gradients.Norm(); }
  // Steps so far that updated nothing, where the optimizer skips those with gradients that are not
  // finite.
  int64_t skipped() const { return steps_skipped ? std::llround(steps_skipped.Item()) : 0; }

  Tensor batch_loss = {}, steps_skipped = {};  // f64 [], on the device.
  GradientNorms gradients = {};
};

// A model, its data and its optimizer. Step after step is a function of the config alone: of no
// file but the data, no clock, no thread count.
class Trainer {
 public:
  // Fills in what the config leaves open: the vocabulary, the data's fingerprint, the schedules'
  // length. `data`, if given, stands in for the config's.
  // With `restores`, Restore follows, and the config's init_from is not read.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(const TrainConfig& config,
                                                         std::unique_ptr<DataSource> data = nullptr,
                                                         bool restores = false);

  using GradientSink = std::function<void(const NamedTensors& gradients)>;

  // Forward, loss, backward, update. Waits for no device, but for statistics. `see_gradients`, if
  // given, gets the parameters' gradients of the whole batch, before the optimizer clips them.
  // A loss or gradient that is not finite updates nothing, and nor does any step after it, unless
  // the optimizer skips those; on the CPU the step fails as Verify would.
  absl::StatusOr<StepResult> Step(bool with_statistics = false,
                                  const GradientSink& see_gradients = {});
  // OK if all steps so far were made. Else back to before the first that was not: an Internal error
  // that names the step, the op and the tensor where it began. Waits for the device.
  absl::Status Verify();
  // With the average of the weights, if the optimizer has one.
  // At most `batches` batches spread over the validation data; without a limit all of it.
  Score Evaluate(int64_t batches = INT64_MAX);
  // The same, or nothing if `stop` said so between two batches.
  std::optional<Score> EvaluateUnless(absl::FunctionRef<bool()> stop, int64_t batches = INT64_MAX);

  // Of what Verify has found right.
  absl::StatusOr<Checkpoint> MakeCheckpoint(const std::string& version);
  // `where` is the checkpoint's file, for messages.
  absl::Status Restore(const std::string& where, Checkpoint checkpoint);

  const TrainConfig& config() const { return config_; }
  Device device() const { return device_; }
  const DataSource& data() const { return *data_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  const StepGraphs& graphs() const { return *graphs_; }
  // With the current parameters.
  LanguageModel& model();
  const NamedTensors& params() const { return params_; }
  int64_t step() const { return step_; }
  int64_t tokens() const { return step_ * config_.batch() * config_.length(); }

 private:
  explicit Trainer(TrainConfig config) : config_(std::move(config)) {}
  absl::Status MakeParams(bool restores);
  void LendParams();
  void TakeParamsBack();
  // Op by op.
  absl::StatusOr<StepMade> MakeStep(const StepInputs& inputs, const StatisticSink& statistics = {},
                                    const GradientSink& see_gradients = {});
  // As it was recorded; nothing where it was not, or cannot be.
  std::optional<StepMade> MakeRecordedStep(const StepInputs& inputs);
  // Where all is that an update changes; nothing where one of them is someone else's, too.
  std::optional<std::vector<const void*>> PlacesToUpdate() const;
  StepInputs HostInputs() const;
  // Alive while gradients are computed: what the optimizer wants to know besides them.
  std::unique_ptr<PairSumsTap> Listen(const Tensor& numbers) const;
  void ResetGuard();  // No step has failed, and those skipped are counted in the state.
  // So that a step that depends on how many were skipped before need not wait for this one.
  void BeginToCountSkipped();
  absl::Status ExplainNotFinite();

  TrainConfig config_;
  std::unique_ptr<DataSource> data_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<Optimizer> optimizer_;
  Device device_ = Device::kCpu;
  std::unique_ptr<BatchGradients> gradients_;
  std::unique_ptr<StepGraphs> graphs_;
  NamedTensors params_, optimizer_state_;
  StepGuard guard_;
  std::unique_ptr<PendingItem> skipped_;  // Before the step to come; where that depends on it.
  int64_t step_ = 0;
};

}  // namespace palimpsest

#endif  // TRAIN_TRAINER_H_
