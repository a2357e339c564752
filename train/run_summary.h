#ifndef TRAIN_RUN_SUMMARY_H_
#define TRAIN_RUN_SUMMARY_H_

#include <cmath>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "train/model_cost.h"

namespace palimpsest {

// What a run came to, in RUN/summary.json, which is there exactly when the run is complete.
struct RunSummary {
  int64_t step = 0, tokens = 0;
  double loss = 0;                        // Of the last step's batch.
  double val_loss = 0, val_accuracy = 0;  // On all validation data.
  // The share of validation examples all of whose labels are right. NaN where each has one label,
  // of which val_accuracy says it.
  double val_sequence_accuracy = NAN;
  double seconds = 0, tokens_per_second = 0;  // Of training alone, over all its parts if resumed.
  ModelCost cost = {};
  std::string version = {};
};

std::string RunSummaryPath(const std::string& run);
absl::Status WriteSummary(const std::string& run, const RunSummary& summary);
// NotFound where there is none, DataLoss where it cannot be understood. A number that was not
// finite is NaN.
absl::StatusOr<RunSummary> ReadSummary(const std::string& run);

}  // namespace palimpsest

#endif  // TRAIN_RUN_SUMMARY_H_
