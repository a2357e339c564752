#ifndef ABLATION_SLURM_H_
#define ABLATION_SLURM_H_

#include <string>

#include "ablation/sweep_dir.h"
#include "ablation/sweep_runner.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// Writes a job array for the runs that are not complete, a task for each, and returns the script's
// path. Two minutes before its time is over a task is told so, saves, and is queued again; one that
// fails leaves its exit code for the next RunSweep to class. options.jobs: tasks at a time, 0: all.
absl::StatusOr<std::string> WriteSlurmScript(const SweepDir& dir, const SweepOptions& options);

}  // namespace palimpsest

#endif  // ABLATION_SLURM_H_
