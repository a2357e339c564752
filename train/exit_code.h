#ifndef TRAIN_EXIT_CODE_H_
#define TRAIN_EXIT_CODE_H_

namespace palimpsest {

// How `palimpsest train` says why it ended, besides 0, 1 (any other failure), 2 (its arguments) and
// kExitStopped.
inline constexpr int kExitNotFinite = 3;    // A loss, gradient or parameter was not finite.
inline constexpr int kExitOutOfMemory = 4;  // A tensor did not fit below the limit.

}  // namespace palimpsest

#endif  // TRAIN_EXIT_CODE_H_
