#include "train/stop_signal.h"

#include <signal.h>
#include <unistd.h>

namespace palimpsest {
namespace {

volatile sig_atomic_t stop_requested = 0;

void OnSignal(int signal) {
  if (stop_requested) _exit(128 + signal);
  stop_requested = 1;
}

}  // namespace

void CatchStopSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A terminal that closes; unless the run was to outlive it (nohup).
  struct sigaction before = {};
  if (sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
    sigaction(SIGHUP, &action, nullptr);
}

bool StopRequested() { return stop_requested != 0; }

}  // namespace palimpsest
