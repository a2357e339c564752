#ifndef TRAIN_CONFIG_LENGTHS_H_
#define TRAIN_CONFIG_LENGTHS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "train/config.pb.h"

namespace palimpsest {

// What a model has to do with the lengths of its sequences and its run; `model` is resolved.

// InvalidArgument if a short convolution has taps that no training sequence reaches, which would
// stay as they were drawn.
absl::Status CheckConvolutions(const ModelConfig& model, int64_t length);

// Lines for the reader of what is allowed and does nothing: windows, segments and chunks that hold
// all of the longest sequence, a warmup that is not over when the run is.
std::vector<std::string> LengthNotes(const TrainConfig& config, const ModelConfig& model,
                                     int64_t longest);

}  // namespace palimpsest

#endif  // TRAIN_CONFIG_LENGTHS_H_
