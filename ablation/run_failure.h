#ifndef ABLATION_RUN_FAILURE_H_
#define ABLATION_RUN_FAILURE_H_

#include <cstdint>
#include <string>

#include "ablation/sweep.pb.h"

namespace palimpsest {

// How a run's process ended.
enum class RunEnd { kComplete, kStopped, kNotFinite, kOutOfMemory, kKilled, kOther };

// `wait_status` as of waitpid. A SIGKILL is the kernel's, for want of memory, where the number of
// those (OomKills) has grown since the process began.
RunEnd ClassifyEnd(int wait_status, bool oom_kill);
// The same of a shell's exit code, which is 128 + signal for one that a signal ended.
RunEnd ClassifyExitCode(int code, bool oom_kill);

// Processes that the kernel has ended for want of memory since it started; 0 if it does not say.
int64_t OomKills();

// In sweep.json: "complete", "stopped", "not finite", "out of memory", "killed", "failed".
const char* RunEndName(RunEnd end);
inline bool IsFailure(RunEnd end) { return end != RunEnd::kComplete && end != RunEnd::kStopped; }

// How often a run that ended so is tried again.
int Retries(const Sweep::Retries& retries, RunEnd end);

}  // namespace palimpsest

#endif  // ABLATION_RUN_FAILURE_H_
