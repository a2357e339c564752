#ifndef TRAIN_CONFIG_CONFLICTS_H_
#define TRAIN_CONFIG_CONFLICTS_H_

#include "absl/status/status.h"
#include "train/config.pb.h"

namespace palimpsest {

// InvalidArgument for values each of which may be, but not together: what one asks for would never
// happen. The message names both.
absl::Status CheckConflicts(const TrainConfig& config);

}  // namespace palimpsest

#endif  // TRAIN_CONFIG_CONFLICTS_H_
