#ifndef ABLATION_SWEEP_PLAN_H_
#define ABLATION_SWEEP_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ablation/sweep.pb.h"
#include "absl/status/statusor.h"
#include "train/config.pb.h"

namespace palimpsest {

// A sweep's rows, each of which can be trained.
struct SweepPlan {
  struct Row {
    std::string name, id;                     // The id is RunId's.
    TrainConfig config;                       // As the trainer completes it; of the first seed.
    int64_t parameters = 0, state_bytes = 0;  // State: after config.length tokens.
  };
  Sweep sweep;
  std::vector<uint64_t> seeds;
  std::vector<Row> rows;
};

// Plans each row's run (PlanRun), without memory for its parameters, and names the row that has a
// mistake or is the same as another. `overrides` as for ExpandSweep.
absl::StatusOr<SweepPlan> PlanSweep(const Sweep& sweep, const std::vector<std::string>& overrides);
// Of a sweep's file, which every error names.
absl::StatusOr<SweepPlan> PlanSweepOf(const std::string& path,
                                      const std::vector<std::string>& overrides);

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_PLAN_H_
