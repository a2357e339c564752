#include "train/init_from.h"

#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "ops/elementwise.h"
#include "train/checkpoint.h"
#include "train/device.h"
#include "train/load_run.h"

namespace palimpsest {
namespace {

absl::StatusOr<NamedTensors> Load(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    const absl::StatusOr<LoadedRun> run = LoadRun(path, WithDevice({}, "cpu"));
    if (!run.ok()) return run.status();
    return Params(*run->model);
  }
  absl::StatusOr<Checkpoint> checkpoint = LoadCheckpoint(path, CheckpointPart::kWithoutOptimizer);
  if (!checkpoint.ok()) return checkpoint.status();
  return std::move(checkpoint->params);
}

// A parameter of a Continuum Memory System: "blocks.3.mlp.levels.1.up.weight" or
// "blocks.3.mlp.mix".
struct LevelParam {
  int64_t block, level;
  std::string name;    // "up.weight"
  std::string of_mlp;  // "blocks.3.mlp.up.weight"
};
std::optional<LevelParam> AsLevelParam(const std::string& path) {
  const std::vector<std::string> parts = absl::StrSplit(path, '.');
  LevelParam param;
  if (parts.size() < 6 || parts[0] != "blocks" || parts[2] != "mlp" || parts[3] != "levels" ||
      !absl::SimpleAtoi(parts[1], &param.block) || !absl::SimpleAtoi(parts[4], &param.level))
    return std::nullopt;
  param.name = absl::StrJoin(parts.begin() + 5, parts.end(), ".");
  param.of_mlp = absl::StrCat("blocks.", param.block, ".mlp.", param.name);
  return param;
}

// What no MLP has.
bool IsOfLevelsAlone(const std::string& path, const std::optional<LevelParam>& level) {
  if (!level.has_value()) return absl::EndsWith(path, ".mlp.mix");
  return absl::StartsWith(level->name, "rate.") || absl::StartsWith(level->name, "norm.") ||
         level->name == "k.weight" || level->name == "v.weight";
}

class Taker {
 public:
  Taker(const std::string& where, const NamedTensors& found, const ModelConfig& config)
      : where_(where), found_(found), config_(config) {}

  void Take(const std::string& path, Tensor& param) {
    const std::optional<LevelParam> level = AsLevelParam(path);
    const bool as_mlp = level.has_value() && !found_.contains(path);
    const std::string& name = as_mlp ? level->of_mlp : path;
    const auto it = found_.find(name);
    if (it == found_.end()) {
      if (!IsOfLevelsAlone(path, level)) Problem(path, " is not there");
      return;
    }
    used_.insert(name);
    if (it->second.shape() != param.shape()) {
      Problem(path, " is ", ToString(param.shape()), ", and ", name, " there is ",
              ToString(it->second.shape()));
      return;
    }
    const bool silent =
        as_mlp && level->level > 0 && level->name == "down.weight" && Chained(*level);
    param = silent ? Tensor::Full(param.shape(), 0.0, param.dtype(), param.device())
                   : CopyTo(Cast(it->second, param.dtype()), param.device());
  }

  absl::Status Finish() {
    for (const auto& [path, tensor] : found_) {
      if (!used_.contains(path)) Problem(path, " there is nothing in this model");
    }
    if (problems_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("init_from ", where_, " does not fit:\n  ", absl::StrJoin(problems_, "\n  ")));
  }

 private:
  template <typename... Args>
  void Problem(const Args&... what) {
    problems_.push_back(absl::StrCat(what...));
  }

  bool Chained(const LevelParam& level) {
    const auto block = static_cast<int>(level.block % config_.block_size());
    const ModelConfig::Cms& cms = config_.block(block).cms();
    if (cms.order() == ModelConfig::Cms::INDEPENDENT) return false;
    if (!cms.residual())
      Problem("model.block.", block,
              ".cms.residual: without it no level of several can start silent, and together they "
              "are not the MLP");
    return true;
  }

  const std::string& where_;
  const NamedTensors& found_;
  const ModelConfig& config_;
  std::set<std::string> used_;
  std::vector<std::string> problems_;
};

}  // namespace

absl::StatusOr<NamedTensors> ParamsFrom(const std::string& path, LanguageModel& model) {
  const absl::StatusOr<NamedTensors> found = Load(path);
  if (!found.ok())
    return absl::Status(found.status().code(),
                        absl::StrCat("init_from: ", std::string(found.status().message())));
  NamedTensors params = Params(model);
  Taker taker(path, *found, model.config());
  for (auto& [name, param] : params) taker.Take(name, param);
  if (absl::Status s = taker.Finish(); !s.ok()) return s;
  return params;
}

}  // namespace palimpsest
