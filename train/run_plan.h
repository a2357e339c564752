#ifndef TRAIN_RUN_PLAN_H_
#define TRAIN_RUN_PLAN_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nn/model.h"
#include "optim/optimizer.h"
#include "tasks/data.h"
#include "train/config.pb.h"
#include "train/memory_need.h"

namespace palimpsest {

// A run before it has a parameter: all that there is to find wrong in a config is found here.
struct RunPlan {
  // With what the given one leaves open: the vocabulary, the data's fingerprint, the schedules'
  // length.
  TrainConfig config;
  std::unique_ptr<DataSource> data;
  std::unique_ptr<LanguageModel> model;  // Of shapes alone.
  std::unique_ptr<Optimizer> optimizer;
  MemoryNeed need;
};

// CheckMemory or CheckFreeMemory: a run that begins now needs what is free now.
using MemoryCheck = absl::Status (*)(const MemoryNeed& need, const TrainConfig& config);

// Errors name the field. `data`, if given, stands in for the config's.
absl::StatusOr<RunPlan> PlanRun(const TrainConfig& config, std::unique_ptr<DataSource> data,
                                MemoryCheck check_memory);

}  // namespace palimpsest

#endif  // TRAIN_RUN_PLAN_H_
