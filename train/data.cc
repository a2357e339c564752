#include "train/data.h"

#include "absl/strings/str_cat.h"

namespace palimpsest {

absl::StatusOr<std::unique_ptr<DataSource>> MakeDataSource(const TrainConfig& config) {
  switch (config.data().source_case()) {
    case DataConfig::kBytes:
      return MakeBytesSource(config.data().bytes(), config.length(), config.seed());
    case DataConfig::kMqar:
      return MakeMqarSource(config.data().mqar(), config.length(), config.seed());
    case DataConfig::SOURCE_NOT_SET: break;
  }
  return absl::InvalidArgumentError(
      "no data: give data { bytes { path: \"FILE\" } } in the config, data.bytes.path=FILE on the "
      "command line, or data { mqar {} }");
}

}  // namespace palimpsest
