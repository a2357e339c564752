#ifndef TRAIN_STOP_SIGNAL_H_
#define TRAIN_STOP_SIGNAL_H_

namespace palimpsest {

// EX_TEMPFAIL: stopped on request, everything saved, to be resumed.
inline constexpr int kExitStopped = 75;

// From here on the first SIGINT or SIGTERM only sets a flag; a second one ends the process at once.
void CatchStopSignals();
bool StopRequested();

}  // namespace palimpsest

#endif  // TRAIN_STOP_SIGNAL_H_
