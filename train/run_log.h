#ifndef TRAIN_RUN_LOG_H_
#define TRAIN_RUN_LOG_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "train/trainer.h"

namespace palimpsest {

struct TrainingResult {
  bool stopped = false;         // By a signal,
  bool evaluation_cut = false;  // in the middle of an evaluation, which --resume makes.
  int64_t step = 0;
  int64_t steps_done = 0;                     // Of these, now; 0 where the run was complete.
  Score score;                                // Of the last evaluation, if there was one.
  double tokens_per_second = 0, seconds = 0;  // Of training alone, with what was done before.
};

// Hears what a run says of itself as it goes on. An error of one that listens ends the run.
class RunLog {
 public:
  virtual ~RunLog() = default;
  // A line of metrics.jsonl that was just written.
  virtual absl::Status OnLine(const nlohmann::ordered_json&) { return absl::OkStatus(); }
  // Of the step with this number, which is about to be done, if an evaluation follows it.
  virtual absl::Status OnGradients(int64_t, const NamedTensors&) { return absl::OkStatus(); }
  // Just before the line of an evaluation.
  virtual absl::Status OnEvaluation(const Trainer&) { return absl::OkStatus(); }
  // This process is done with the run: it is complete, was stopped, or failed.
  virtual absl::Status OnEnd(const absl::StatusOr<TrainingResult>&) { return absl::OkStatus(); }
};

}  // namespace palimpsest

#endif  // TRAIN_RUN_LOG_H_
