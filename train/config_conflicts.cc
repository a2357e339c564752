#include "train/config_conflicts.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

template <typename... Args>
absl::Status Conflict(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

// A level that writes after more steps than there are.
absl::Status CheckPeriod(const std::string& field, int64_t period, int64_t steps) {
  if (steps == 0 || period <= steps) return absl::OkStatus();
  return Conflict(field, " is ", period, ", and steps is ", steps,
                  ": the level would never write; give a period of at most ", steps);
}

absl::Status CheckPeriods(const std::string& path, const OptimizerConfig& optimizer,
                          int64_t steps) {
  absl::Status status;
  if (optimizer.has_period()) status = CheckPeriod(path + ".period", optimizer.period(), steps);
  for (int i = 0; i < optimizer.level_size(); ++i)
    status.Update(CheckPeriod(absl::StrCat(path, ".level.", i, ".period"),
                              optimizer.level(i).period(), steps));
  if (optimizer.has_auxiliary())
    status.Update(CheckPeriods(path + ".auxiliary", optimizer.auxiliary(), steps));
  for (int i = 0; i < optimizer.group_size(); ++i) {
    if (optimizer.group(i).has_set())
      status.Update(
          CheckPeriods(absl::StrCat(path, ".group.", i, ".set"), optimizer.group(i).set(), steps));
  }
  return status;
}

}  // namespace

absl::Status CheckConflicts(const TrainConfig& c) {
  if (c.keep_every() > 0 && c.checkpoint_every() == 0)
    return Conflict("keep_every is ", c.keep_every(),
                    ", but checkpoint_every is 0: there is a checkpoint at the end alone");
  if (c.keep_every() > 0 && c.keep_every() % c.checkpoint_every() != 0)
    return Conflict("keep_every is ", c.keep_every(),
                    ", which is no multiple of checkpoint_every, ", c.checkpoint_every(),
                    ": there would be no checkpoint to keep");
  if (c.tensorboard_histograms() && !c.tensorboard())
    return Conflict("tensorboard_histograms needs tensorboard: true");
  if (c.stop_accuracy() < 1 && c.eval_every() == 0)
    return Conflict("stop_accuracy is ", c.stop_accuracy(),
                    ", but eval_every is 0: the accuracy is not known before the end");
  if (c.tf32() && c.device() == TrainConfig::CPU)
    return Conflict("tf32 is for device: CUDA; the CPU multiplies f32 as it is: leave tf32 out");
  if (c.tf32() && c.dtype() == "f64")
    return Conflict("tf32 is for products of f32, and dtype is f64: leave tf32 out");
  if (c.cuda_graph() && c.device() != TrainConfig::CUDA)
    return Conflict("cuda_graph is for device: CUDA: leave cuda_graph out");
  return CheckPeriods("optimizer", c.optimizer(), c.steps());
}

}  // namespace palimpsest
