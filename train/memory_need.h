#ifndef TRAIN_MEMORY_NEED_H_
#define TRAIN_MEMORY_NEED_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "core/tensor.h"
#include "train/config.pb.h"

namespace palimpsest {

// The bytes that training cannot do without: what stays from step to step and, of a step, the
// logits with their gradient. A run takes more, by what its layers keep for the backward pass.
// Numbers are inexact past 2^53, where no machine is near.
struct MemoryNeed {
  double parameters = 0, gradients = 0, optimizer = 0, logits = 0;
  std::map<std::string, double> parts = {};  // Of the parameters: "blocks.mlp.up".
  double total() const { return parameters + gradients + optimizer + logits; }
};

// Without the optimizer's part. `params` may be of shapes alone (ShapeOnly); `config` has its
// vocabulary.
MemoryNeed NeedOf(const TrainConfig& config, const NamedTensors& params);

// OutOfRange where `need` is more than the machine's memory or memory_limit_mb: how much of
// it is what, and which fields of the config it comes from.
absl::Status CheckMemory(const MemoryNeed& need, const TrainConfig& config);
// Or more than what is free of the machine's.
absl::Status CheckFreeMemory(const MemoryNeed& need, const TrainConfig& config);

}  // namespace palimpsest

#endif  // TRAIN_MEMORY_NEED_H_
