#ifndef ABLATION_SWEEP_RUNNER_H_
#define ABLATION_SWEEP_RUNNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ablation/sweep_dir.h"
#include "absl/status/statusor.h"
#include "train/progress.h"

namespace palimpsest {

struct SweepOptions {
  int64_t jobs = 0;     // Runs at a time. 0: as many as there are cores.
  int64_t threads = 0;  // Of each. 0: the cores shared out among the jobs.
};

struct FailedRun {
  std::string row;
  uint64_t seed;
  std::string how;                // RunEndName.
  std::string log;                // Its path,
  std::vector<std::string> last;  // and its last lines.
};

struct SweepOutcome {
  int64_t complete = 0, left = 0;
  bool stopped = false;  // By a signal: what is left can go on.
  std::vector<FailedRun> failed;
};

// Runs, as processes, what is not complete yet; a run that was begun goes on from its newest
// checkpoint. One that fails is tried again as often as the sweep allows for that kind of failure,
// and holds up no other. One that was not finite before is left as it is: it would be again. Runs
// that another process is training are waited for. The first SIGINT or SIGTERM lets each run finish
// its step and save; a second ends them.
absl::StatusOr<SweepOutcome> RunSweep(SweepDir* dir, const SweepOptions& options,
                                      Progress* progress);

// The arguments of the process that trains a run; the first is the program.
std::vector<std::string> TrainArgs(const SweepDir& dir, const SweepManifest::Run& run);

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_RUNNER_H_
