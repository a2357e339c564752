#ifndef ABLATION_SWEEP_RUN_H_
#define ABLATION_SWEEP_RUN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ablation/job.h"
#include "ablation/run_failure.h"
#include "ablation/sweep_dir.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// A run of a sweep that is going on.
struct SweepRun {
  enum class State { kWaiting, kRunning, kComplete, kFailed };

  size_t row = 0, run = 0;  // Of the manifest.
  std::string row_name, path;
  uint64_t seed = 0;
  int64_t steps = 0;  // When it is complete.

  State state = State::kWaiting;
  RunEnd end = RunEnd::kComplete;       // Of one that failed.
  std::map<RunEnd, int> attempts = {};  // That ended so.
  std::string problem = "";             // What its log does not say.
  bool alone = false;                   // It ran out of memory beside others.
  std::unique_ptr<Job> job = nullptr;
  int64_t oom_kills = 0;  // When it was started.

  // What its metrics.jsonl said last.
  int64_t step = 0;
  double loss = 0;
};

// All of them, as their folders say they are.
absl::StatusOr<std::vector<SweepRun>> FindRuns(const SweepDir& dir);

// There is a whole summary. DataLoss if it is of another config.
absl::StatusOr<bool> IsComplete(const SweepDir& dir, const SweepRun& run);

// Another process is training there.
bool IsLocked(const std::string& run_path);

// Reads the end of metrics.jsonl.
void ReadStep(SweepRun* run);

std::string LogPath(const std::string& run_path);
// Where a job of a batch system leaves how the run failed.
std::string ExitCodePath(const std::string& run_path);
// The last `count` lines of a log that are not empty, without what they do to a terminal.
std::vector<std::string> LastLines(const std::string& path, size_t count);

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_RUN_H_
