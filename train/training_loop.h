#ifndef TRAIN_TRAINING_LOOP_H_
#define TRAIN_TRAINING_LOOP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "train/liveness.h"
#include "train/progress.h"
#include "train/run_dir.h"
#include "train/run_log.h"
#include "train/trainer.h"

namespace palimpsest {

// Step after step: what is shown, logged, evaluated and saved, and when it ends.
class TrainingLoop {
 public:
  // Without `dir` nothing is saved. `label` starts each line.
  TrainingLoop(Trainer* trainer, RunDir* dir, std::string label, Progress* progress,
               std::vector<RunLog*> logs = {});

  absl::StatusOr<TrainingResult> Run();

 private:
  bool AtEnd() const { return trainer_.step() >= config_.steps(); }
  absl::Status RunAll();
  absl::Status Recall();
  absl::Status OpenMetrics();
  absl::Status RunStep();
  absl::Status Finish();
  absl::Status CheckOutput();
  absl::Status Report(const StepResult& result);
  absl::Status Evaluate(bool whole);
  absl::Status Log(const nlohmann::ordered_json& line);
  absl::Status Save();
  absl::Status WithAdvice(const absl::Status& status, const char* done) const;
  std::vector<std::string> Fields(int64_t step) const;

  Trainer& trainer_;
  const TrainConfig& config_;
  RunDir* const dir_;
  Progress& progress_;
  const std::string label_;
  const std::vector<RunLog*> logs_;
  const int64_t first_step_;
  int64_t saved_step_;  // -1: none.
  Throughput throughput_;
  LivenessWatch liveness_;
  double loss_ = 0;  // Of the last step.
  TrainingResult result_;
  bool done_ = false;  // By what the last evaluation of everything found.
};

// "val loss 1.8812 (2.714 bits)", "accuracy 44.6%", "sequences 12.5%", then the slices' accuracies:
// "length=64 40.0%". Sequences are left out where each has one label.
std::vector<std::string> ScoreFields(const Score& score);

}  // namespace palimpsest

#endif  // TRAIN_TRAINING_LOOP_H_
