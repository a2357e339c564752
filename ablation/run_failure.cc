#include "ablation/run_failure.h"

#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include "train/exit_code.h"
#include "train/stop_signal.h"

namespace palimpsest {
namespace {

RunEnd ClassifySignal(int signal, bool oom_kill) {
  switch (signal) {
    case SIGKILL: return oom_kill ? RunEnd::kOutOfMemory : RunEnd::kKilled;
    // What a program does to itself.
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGSEGV:
    case SIGSYS:
    case SIGTRAP: return RunEnd::kOther;
    default: return RunEnd::kKilled;
  }
}

}  // namespace

RunEnd ClassifyExitCode(int code, bool oom_kill) {
  constexpr int kSignals = 128, kMostSignals = 64;
  switch (code) {
    case 0: return RunEnd::kComplete;
    case kExitStopped: return RunEnd::kStopped;
    case kExitNotFinite: return RunEnd::kNotFinite;
    case kExitOutOfMemory: return RunEnd::kOutOfMemory;
    default: break;
  }
  if (code > kSignals && code <= kSignals + kMostSignals)
    return ClassifySignal(code - kSignals, oom_kill);
  return RunEnd::kOther;
}

RunEnd ClassifyEnd(int wait_status, bool oom_kill) {
  if (WIFSIGNALED(wait_status)) return ClassifySignal(WTERMSIG(wait_status), oom_kill);
  return ClassifyExitCode(WEXITSTATUS(wait_status), oom_kill);
}

int64_t OomKills() {
  std::ifstream vmstat("/proc/vmstat");
  int64_t value = 0;
  for (std::string name; vmstat >> name >> value;) {
    if (name == "oom_kill") return value;
  }
  return 0;
}

const char* RunEndName(RunEnd end) {
  switch (end) {
    case RunEnd::kComplete: return "complete";
    case RunEnd::kStopped: return "stopped";
    case RunEnd::kNotFinite: return "not finite";
    case RunEnd::kOutOfMemory: return "out of memory";
    case RunEnd::kKilled: return "killed";
    case RunEnd::kOther: return "failed";
  }
  return "";
}

int Retries(const Sweep::Retries& retries, RunEnd end) {
  switch (end) {
    case RunEnd::kNotFinite: return retries.not_finite();
    case RunEnd::kOutOfMemory: return retries.out_of_memory();
    case RunEnd::kStopped:  // By somebody else than us.
    case RunEnd::kKilled: return retries.killed();
    case RunEnd::kOther: return retries.other();
    case RunEnd::kComplete: break;
  }
  return 0;
}

}  // namespace palimpsest
