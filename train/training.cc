#include "train/training.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/gemm.h"
#include "train/config.h"
#include "train/config_lengths.h"
#include "train/device.h"
#include "train/file.h"
#include "train/run_dir.h"
#include "train/stop_signal.h"
#include "train/tensorboard_log.h"
#include "train/training_loop.h"
#include "train/version.h"

namespace palimpsest {
namespace {

std::string DeviceText(Device device) {
  if (device != Device::kCpu)
    return "cuda, " + FormatBytes(Allocator::Of(device).limit()) + " of memory";
  return absl::StrCat("cpu, ", NumThreads(), NumThreads() == 1 ? " thread" : " threads");
}

void PrintBanner(Trainer* trainer, bool resumed, Progress* progress) {
  const TrainConfig& c = trainer->config();
  const int64_t tokens = c.batch() * c.length();
  progress->Print(progress->Bold("palimpsest") + " " + Version());
  progress->PrintNamed("model",
                       absl::StrCat(FormatCount(NumParams(trainer->model())), " parameters, ",
                                    FormatBytes(StateBytes(trainer->model(), c.length())),
                                    " of state after ", c.length(), " tokens"));
  for (const TrainConfig::Plugin& plugin : c.plugin())
    progress->PrintNamed("plugin",
                         absl::StrCat(absl::StrJoin(plugin.rule(), ", "), " of ", plugin.path()));
  progress->PrintNamed("data", trainer->data().Describe());
  for (const std::string& note :
       LengthNotes(c, trainer->model().config(), trainer->data().longest()))
    progress->PrintNamed("note", note);
  for (const std::string& text : trainer->optimizer().Summary())
    progress->PrintNamed("optim", text);
  progress->PrintNamed("batch", absl::StrFormat("%d x %d = %d tokens, %d steps: %s tokens",
                                                c.batch(), c.length(), tokens, c.steps(),
                                                FormatCount(static_cast<double>(tokens) *
                                                            static_cast<double>(c.steps()))));
  progress->PrintNamed("device", absl::StrCat(DeviceText(trainer->device()), ", ", c.dtype()));
  progress->PrintNamed(
      "run", absl::StrCat(c.run_dir(),
                          resumed ? absl::StrCat(", resumed after step ", trainer->step()) : ""));
}

// The newest complete checkpoint into `trainer`; false if none was saved yet.
absl::StatusOr<bool> RestoreNewest(Trainer* trainer, const RunDir& dir, Progress* progress) {
  absl::StatusOr<FoundCheckpoint> found = LoadNewestCheckpoint(dir.checkpoints());
  if (absl::IsNotFound(found.status())) return false;
  if (!found.ok()) return found.status();
  for (const std::string& line : found->ignored) progress->Print("ignored  " + line);
  const absl::StatusOr<TrainConfig> before = ParseConfigText(found->checkpoint.config, found->path);
  if (!before.ok()) return before.status();
  if (absl::Status s = CheckSameRun(*before, trainer->config()); !s.ok()) return s;
  if (absl::Status s = trainer->Restore(found->path, std::move(found->checkpoint)); !s.ok())
    return s;
  return true;
}

absl::StatusOr<std::vector<std::unique_ptr<RunLog>>> MakeLogs(const Trainer& trainer,
                                                              const RunDir& dir) {
  std::vector<std::unique_ptr<RunLog>> logs;
  if (trainer.config().tensorboard()) {
    auto log = MakeTensorBoardLog(JoinPath(dir.path(), "tensorboard"), trainer);
    if (!log.ok()) return log.status();
    logs.push_back(*std::move(log));
  }
  return logs;
}

}  // namespace

void ApplyProcessLimits(const TrainConfig& config) {
  if (config.threads() > 0) SetNumThreads(config.threads());
  AllowTf32(config.tf32());
  const absl::StatusOr<Device> device = ConfigDevice(config);
  if (config.memory_limit_mb() > 0 && device.ok())
    Allocator::Of(*device).SetLimit(config.memory_limit_mb() * 1000000);
}

absl::StatusOr<TrainingResult> RunInMemory(Trainer* trainer, const std::string& label,
                                           Progress* progress) {
  return TrainingLoop(trainer, nullptr, label, progress).Run();
}

absl::StatusOr<TrainingResult> RunTraining(const TrainConfig& config, bool resume,
                                           Progress* progress) {
  if (absl::Status s = ValidateConfig(config); !s.ok()) return s;
  if (absl::Status s = ConfigDevice(config).status(); !s.ok()) return s;
  ApplyProcessLimits(config);
  const bool restores = resume && HasCheckpoints(config.run_dir());
  absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(config, nullptr, restores);
  if (!trainer.ok()) return trainer.status();
  absl::StatusOr<std::unique_ptr<RunDir>> dir = RunDir::Open(config.run_dir(), resume);
  if (!dir.ok()) return dir.status();
  bool resumed = false;
  if (resume) {
    const absl::StatusOr<bool> restored = RestoreNewest(trainer->get(), **dir, progress);
    if (!restored.ok()) return restored.status();
    resumed = *restored;
  }
  absl::Status status = (*dir)->WriteConfig(ConfigText((*trainer)->config()), Version());
  if (!status.ok()) return status;
  CatchStopSignals();
  PrintBanner(trainer->get(), resumed, progress);
  if (absl::Status s = progress->status(); !s.ok()) return s;
  absl::StatusOr<std::vector<std::unique_ptr<RunLog>>> logs = MakeLogs(**trainer, **dir);
  if (!logs.ok()) return logs.status();
  std::vector<RunLog*> listening;
  for (const std::unique_ptr<RunLog>& log : *logs) listening.push_back(log.get());
  return TrainingLoop(trainer->get(), dir->get(), "", progress, listening).Run();
}

}  // namespace palimpsest
