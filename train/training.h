#ifndef TRAIN_TRAINING_H_
#define TRAIN_TRAINING_H_

#include <string>

#include "absl/status/statusor.h"
#include "train/config.pb.h"
#include "train/progress.h"
#include "train/run_log.h"
#include "train/trainer.h"

namespace palimpsest {

// Trains until the last step, stop_accuracy or a stop signal: progress on `progress`, everything
// else in config.run_dir, which at the end has a summary (run_summary.h). `resume` goes on from its
// newest whole checkpoint; the bits are those of a run never stopped.
absl::StatusOr<TrainingResult> RunTraining(const TrainConfig& config, bool resume,
                                           Progress* progress);

// The same without a run directory: nothing is written. `label` starts each line.
absl::StatusOr<TrainingResult> RunInMemory(Trainer* trainer, const std::string& label,
                                           Progress* progress);

// Sets this process's threads, memory limit, and whether products may be in TF32.
void ApplyProcessLimits(const TrainConfig& config);

}  // namespace palimpsest

#endif  // TRAIN_TRAINING_H_
