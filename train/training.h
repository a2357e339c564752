#ifndef TRAIN_TRAINING_H_
#define TRAIN_TRAINING_H_

#include <string>

#include "absl/status/statusor.h"
#include "train/config.pb.h"
#include "train/progress.h"
#include "train/trainer.h"

namespace palimpsest {

struct TrainingResult {
  bool stopped = false;  // By a signal.
  int64_t step = 0;
  int64_t steps_done = 0;                     // Of these, now; 0 where the run was complete.
  Score score;                                // Of the last evaluation, if there was one.
  double tokens_per_second = 0, seconds = 0;  // Of training alone, with what was done before.
};

// Trains until the last step, stop_accuracy or a stop signal: progress on `progress`, everything
// else in config.run_dir, which at the end has a summary (run_summary.h). `resume` goes on from its
// newest checkpoint; the bits are those of a run never stopped.
absl::StatusOr<TrainingResult> RunTraining(const TrainConfig& config, bool resume,
                                           Progress* progress);

// The same without a run directory: nothing is written. `label` starts each line.
absl::StatusOr<TrainingResult> RunInMemory(Trainer* trainer, const std::string& label,
                                           Progress* progress);

// Sets this process's threads and memory limit.
void ApplyProcessLimits(const TrainConfig& config);

// "val loss 1.8812 (2.714 bits)", "accuracy 44.6%", "sequences 12.5%", then the slices' accuracies:
// "length=64 40.0%". Sequences are left out where each has one label.
std::vector<std::string> ScoreFields(const Score& score);

}  // namespace palimpsest

#endif  // TRAIN_TRAINING_H_
