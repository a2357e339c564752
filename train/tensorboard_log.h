#ifndef TRAIN_TENSORBOARD_LOG_H_
#define TRAIN_TENSORBOARD_LOG_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "train/run_log.h"

namespace palimpsest {

// Writes what a run says of itself to DIR for TensorBoard: every number of metrics.jsonl and, with
// config.tensorboard_histograms, at each evaluation how the values of each parameter and of its
// gradient are distributed ("parameters/PATH", "grad/PATH"). HPARAMS shows runs that differ
// in their seed alone as one.
absl::StatusOr<std::unique_ptr<RunLog>> MakeTensorBoardLog(const std::string& dir,
                                                           const Trainer& trainer);

}  // namespace palimpsest

#endif  // TRAIN_TENSORBOARD_LOG_H_
