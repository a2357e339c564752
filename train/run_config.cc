#include "train/run_config.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "train/checkpoint.h"
#include "train/config.h"
#include "train/file.h"
#include "train/override.h"
#include "train/proto_text.h"
#include "train/run_dir.h"
#include "train/sealed_text.h"

namespace palimpsest {
namespace {

absl::StatusOr<TrainConfig> ReadConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFileToString(path);
  if (!text.ok()) return text.status();
  switch (CheckTextProtoSeal(*text)) {
    case Seal::kWhole: return ParseConfigText(*text, path);
    case Seal::kBroken: break;
    case Seal::kNone:
      return absl::DataLossError(absl::StrCat(path, " has lost its checksum, its first line"));
  }
  return absl::DataLossError(absl::StrCat(path, " was changed since it was written"));
}

// `damage` is an error, unless there is a checkpoint.
absl::StatusOr<RunConfig> ConfigOfNewestCheckpoint(const std::string& run,
                                                   const absl::Status& damage) {
  const absl::StatusOr<FoundCheckpoint> found =
      LoadNewestCheckpoint(RunCheckpoints(run), CheckpointPart::kMetadata);
  if (!found.ok()) return damage;
  absl::StatusOr<TrainConfig> config = ParseConfigText(found->checkpoint.config, found->path);
  if (!config.ok()) return config.status();
  return RunConfig{*std::move(config),
                   absl::StrCat(std::string(damage.message()), "; the config of ", found->path,
                                " stands in (changes: --resume path=value)")};
}

}  // namespace

absl::StatusOr<RunConfig> LoadRunConfig(const std::string& run,
                                        const std::vector<std::string>& overrides) {
  absl::StatusOr<TrainConfig> config = ReadConfig(RunConfigPath(run));
  absl::StatusOr<RunConfig> loaded = config.ok() ? RunConfig{*std::move(config), ""}
                                                 : ConfigOfNewestCheckpoint(run, config.status());
  if (!loaded.ok()) return loaded;
  for (const std::string& override_text : overrides) {
    if (absl::Status s = ApplyOverride(override_text, &loaded->config); !s.ok()) return s;
  }
  MakeDefaultsExplicit(&loaded->config);
  return loaded;
}

}  // namespace palimpsest
