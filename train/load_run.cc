#include "train/load_run.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "optim/optimizer.h"
#include "train/checkpoint.h"
#include "train/config.h"
#include "train/device.h"
#include "train/file.h"
#include "train/override.h"
#include "train/run_dir.h"

namespace palimpsest {
namespace {

// The average of the weights, if the optimizer kept one; else the weights.
absl::StatusOr<NamedTensors> ParamsToEvaluate(const TrainConfig& config, const std::string& path,
                                              const Checkpoint& checkpoint) {
  if (config.optimizer().average_keep() == 0) return checkpoint.params;
  const absl::StatusOr<Checkpoint> whole = LoadCheckpoint(path);
  if (!whole.ok()) return whole.status();
  const auto optimizer = Optimizer::Create(config.optimizer(), whole->params);
  if (!optimizer.ok()) return optimizer.status();
  const absl::Status status =
      MatchTensors(path, "optimizer state", whole->optimizer, (*optimizer)->Init(whole->params));
  if (!status.ok()) return status;
  return (*optimizer)->Averaged(whole->params, whole->optimizer);
}

}  // namespace

absl::StatusOr<LoadedRun> LoadRun(const std::string& run,
                                  const std::vector<std::string>& overrides) {
  if (run.empty())
    return absl::InvalidArgumentError("which run? give --run=DIR, the run_dir of a training");
  if (!FileExists(run)) return absl::NotFoundError(absl::StrCat("there is no run directory ", run));
  if (!HasCheckpoints(run))
    return absl::NotFoundError(absl::StrCat(
        run, " holds no trained model: there is no checkpoint in ", RunCheckpoints(run)));
  const absl::StatusOr<FoundCheckpoint> found =
      LoadNewestCheckpoint(RunCheckpoints(run), CheckpointPart::kWithoutOptimizer);
  if (!found.ok()) return found.status();
  const Checkpoint& checkpoint = found->checkpoint;
  absl::StatusOr<TrainConfig> config = ParseConfigText(checkpoint.config, found->path);
  if (!config.ok()) return config.status();
  if (absl::Status s = CheckPlugins(*config); !s.ok()) return s;
  for (const std::string& override_text : overrides) {
    if (absl::Status s = ApplyOverride(override_text, &*config); !s.ok()) return s;
  }
  if (absl::Status s = ValidateConfig(*config); !s.ok()) return s;
  const absl::StatusOr<Device> device = ConfigDevice(*config);
  if (!device.ok()) return device.status();
  auto model = LanguageModel::CreateUninitialized(config->model(), *ConfigDType(*config), *device);
  if (!model.ok()) return model.status();
  if (absl::Status s = MatchTensors(found->path, "parameters", checkpoint.params, Params(**model));
      !s.ok())
    return s;
  absl::StatusOr<NamedTensors> params = ParamsToEvaluate(*config, found->path, checkpoint);
  if (!params.ok()) return params.status();
  (*model)->ForEachParam(
      [&](const std::string& path, Tensor& param) { param = CopyTo(params->at(path), *device); });
  return LoadedRun{*std::move(config), *std::move(model), found->path, checkpoint.step};
}

}  // namespace palimpsest
