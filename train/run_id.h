#ifndef TRAIN_RUN_ID_H_
#define TRAIN_RUN_ID_H_

#include <string>

#include "train/config.pb.h"

namespace palimpsest {

// 12 hexadecimal digits that runs have in common which differ at most in their seed and in what
// bears on no result (BearsOnNoResult). Unset and default are the same. Of a config as the trainer
// completes it, so that the data's content counts and not its path.
std::string RunId(const TrainConfig& config);

}  // namespace palimpsest

#endif  // TRAIN_RUN_ID_H_
