#ifndef EXAMPLES_OPTIMIZERS_STUDY_H_
#define EXAMPLES_OPTIMIZERS_STUDY_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/optimizers/loss_curve.h"
#include "train/progress.h"

namespace palimpsest {

struct StudyOptions {
  // Names and config files; adamw, with which the others are compared, comes first.
  std::vector<std::pair<std::string, std::string>> configs;
  std::vector<std::string> overrides;  // Of every config.
  std::string out;                     // The folder of the runs and the report.
  int64_t seeds = 3;
};

struct OptimizerStudy {
  std::string name;
  std::map<double, double> tuning;  // Last validation loss by learning rate.
  double learning_rate = 0;         // The best of these.
  // Validation losses with that one, a seed each. They end with infinity where a loss or gradient
  // became so.
  std::vector<LossCurve> runs;
  int64_t state_bytes = 0;
  double seconds_per_step = 0;
};

// Tunes each optimizer's learning rate, all by one rule, and trains with the best one from several
// seeds. The rule: the config's rate, half and twice it, and on by factors of two until the best is
// not at an end, each for half the steps from a seed of its own. An auxiliary optimizer has adamw's
// best. Runs that are finished are read, not run again; one that was stopped goes on. Last, steps
// are timed, the optimizers taking turns. Cancelled if a signal stops it.
absl::StatusOr<std::vector<OptimizerStudy>> RunStudy(const StudyOptions& options,
                                                     Progress* progress);

// report.md, with loss.svg and learning_rate.svg beside it, in options.out.
absl::Status WriteReport(const StudyOptions& options, const std::vector<OptimizerStudy>& studies);

}  // namespace palimpsest

#endif  // EXAMPLES_OPTIMIZERS_STUDY_H_
