#include "train/config.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/text_format.h"
#include "memory_rules/rule.h"
#include "train/config_conflicts.h"
#include "train/file.h"
#include "train/override.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

// `above`: the files that lead here, by their real paths.
absl::StatusOr<TrainConfig> LoadWithBases(const std::string& path, std::set<std::string> above) {
  std::error_code error;
  if (!above.insert(std::filesystem::weakly_canonical(path, error).string()).second)
    return absl::InvalidArgumentError(absl::StrCat(path, " is a base of itself"));
  absl::StatusOr<std::string> text = ReadFileToString(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<TrainConfig> config = ParseConfigText(*text, path);
  if (!config.ok()) return config;
  TrainConfig merged;
  for (const std::string& base : config->base()) {
    const std::string base_path =
        JoinPath(std::filesystem::path(path).parent_path().string(), base);
    const absl::StatusOr<TrainConfig> below = LoadWithBases(base_path, above);
    if (!below.ok())
      return absl::Status(below.status().code(), absl::StrCat(std::string(below.status().message()),
                                                              " (base of ", path, ")"));
    merged.MergeFrom(*below);
  }
  const std::vector<std::string> changes(config->set().begin(), config->set().end());
  config->clear_base();
  config->clear_set();
  merged.MergeFrom(*config);
  for (const std::string& change : changes) {
    if (const absl::Status s = ApplyOverride(change, &merged); !s.ok())
      return absl::Status(s.code(), absl::StrCat(path, ": set: ", std::string(s.message())));
  }
  return merged;
}

// Past any use; below, sums and products do not overflow.
constexpr int64_t kMostSteps = 1'000'000'000'000, kMostTokens = 1 << 28, kMostThreads = 1024,
                  kMostMegabytes = 1'000'000'000;

// What may differ between the two halves of a run: its end may be moved.
bool FreeToChange(const std::string& path) {
  static const std::set<std::string> kEnd = {"steps", "eval_every", "eval_batches",
                                             "stop_accuracy"};
  return kEnd.contains(path) || BearsOnNoResult(path);
}

std::string ValueOr(const std::map<std::string, std::string>& values, const std::string& path) {
  const auto it = values.find(path);
  return it == values.end() ? "unset" : it->second;
}

// Values by path, those of defaults among them.
std::map<std::string, std::string> Shown(TrainConfig config) {
  MakeDefaultsExplicit(&config);
  return FlattenProto(config);
}

}  // namespace

absl::StatusOr<TrainConfig> LoadConfig(const std::string& path,
                                       const std::vector<std::string>& overrides) {
  return LoadConfig(std::vector<std::string>{path}, overrides);
}

absl::StatusOr<TrainConfig> LoadConfig(const std::vector<std::string>& paths,
                                       const std::vector<std::string>& overrides) {
  absl::StatusOr<TrainConfig> config = TrainConfig();
  for (const std::string& path : paths) {
    const absl::StatusOr<TrainConfig> one = LoadWithBases(path, {});
    if (!one.ok()) return one;
    config->MergeFrom(*one);
  }
  for (const std::string& override_text : overrides) {
    if (absl::Status s = ApplyOverride(override_text, &*config); !s.ok()) return s;
  }
  MakeDefaultsExplicit(&*config);
  return config;
}

absl::Status ValidateConfig(const TrainConfig& config) {
  absl::Status status;
  const auto check = [&](const char* name, int64_t value, int64_t least, int64_t most) {
    if (value >= least && value <= most) return;
    status.Update(absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", must be at ",
                                                          value < least ? "least " : "most ",
                                                          value < least ? least : most)));
  };
  check("steps", config.steps(), 0, kMostSteps);
  check("batch", config.batch(), 1, kMostTokens);
  check("length", config.length(), 1, kMostTokens);
  check("grad_accumulation", config.grad_accumulation(), 1, kMostTokens);
  check("eval_every", config.eval_every(), 0, kMostSteps);
  check("eval_batches", config.eval_batches(), 1, kMostSteps);
  check("log_every", config.log_every(), 1, kMostSteps);
  check("checkpoint_every", config.checkpoint_every(), 0, kMostSteps);
  check("keep", config.keep(), 2, kMostSteps);
  check("keep_every", config.keep_every(), 0, kMostSteps);
  check("threads", config.threads(), 0, kMostThreads);
  check("memory_limit_mb", config.memory_limit_mb(), 0, kMostMegabytes);
  if (!status.ok()) return status;
  if (config.batch() % config.grad_accumulation() != 0)
    return absl::InvalidArgumentError(absl::StrCat("batch ", config.batch(), " cannot be cut into ",
                                                   config.grad_accumulation(),
                                                   " equal parts (grad_accumulation)"));
  if (!(config.stop_accuracy() <= 1))
    return absl::InvalidArgumentError(
        absl::StrCat("stop_accuracy is ", config.stop_accuracy(), ", must be at most 1"));
  if (config.run_dir().empty()) return absl::InvalidArgumentError("run_dir is empty");
  if (absl::Status s = ConfigDType(config).status(); !s.ok()) return s;
  return CheckConflicts(config);
}

absl::Status CheckPlugins(const TrainConfig& config) {
  const std::vector<std::string> known = MemoryRuleNames();
  for (const TrainConfig::Plugin& plugin : config.plugin()) {
    for (const std::string& rule : plugin.rule()) {
      if (std::find(known.begin(), known.end(), rule) != known.end()) continue;
      return absl::NotFoundError(
          absl::StrCat("the model's memory rule \"", rule,
                       "\" is one of a plugin: give --plugin=", plugin.path()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFitsModel(const TrainConfig& config, int64_t vocab, int64_t longest) {
  const ModelConfig& model = config.model();
  if (model.vocab_size() < vocab)
    return absl::InvalidArgumentError(absl::StrCat("model.vocab_size is ", model.vocab_size(),
                                                   ", and the data has ", vocab,
                                                   " different tokens"));
  if (model.learned_positions() > 0 && model.learned_positions() < longest)
    return absl::InvalidArgumentError(
        absl::StrCat("model.learned_positions is ", model.learned_positions(),
                     ", and the longest sequence (length or data.eval_length) is ", longest,
                     ": give a length of at most ", model.learned_positions()));
  return absl::OkStatus();
}

std::string ConfigText(const TrainConfig& config) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(config, &text);
  return text;
}

absl::StatusOr<TrainConfig> ParseConfigText(const std::string& text, const std::string& file) {
  TrainConfig config;
  if (absl::Status s = ParseTextProto(text, file, &config); !s.ok()) return s;
  return config;
}

bool BearsOnNoResult(const std::string& field) {
  static const std::set<std::string> kFields = {
      "log_every", "checkpoint_every", "keep", "keep_every", "tensorboard",
      "tensorboard_histograms", "threads", "memory_limit_mb", "run_dir",
      // What they hold is in data.fingerprint.
      "data.bytes.path", "data.bytes.val_path", "data.needle.haystack"};
  // Where a plugin is; the model names its rules.
  return kFields.contains(field) || absl::StartsWith(field, "plugin.");
}

absl::Status CheckSameRun(TrainConfig before, TrainConfig after) {
  const auto shown_before = Shown(before), shown_after = Shown(after);
  // A field that a later version added, and left at its default, is no difference.
  ClearDefaults(&before);
  ClearDefaults(&after);
  const auto set_before = FlattenProto(before), set_after = FlattenProto(after);
  std::set<std::string> paths;
  for (const auto& [path, value] : set_before) paths.insert(path);
  for (const auto& [path, value] : set_after) paths.insert(path);
  std::vector<std::string> differences;
  for (const std::string& path : paths) {
    if (FreeToChange(path) || ValueOr(set_before, path) == ValueOr(set_after, path)) continue;
    differences.push_back(absl::StrCat(path, " (", ValueOr(shown_before, path), " -> ",
                                       ValueOr(shown_after, path), ")"));
  }
  if (differences.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the run was started with another config: ", absl::StrJoin(differences, ", "),
                   "; resume it with its own, or start a new run with another run_dir"));
}

absl::StatusOr<DType> ConfigDType(const TrainConfig& config) {
  static const std::map<std::string, DType> kTypes = {
      {"bf16", DType::kBf16}, {"f32", DType::kF32}, {"f64", DType::kF64}};
  const auto it = kTypes.find(config.dtype());
  if (it != kTypes.end()) return it->second;
  return absl::InvalidArgumentError(
      absl::StrCat("dtype has no value ", NameAndKnown(config.dtype(), {"bf16", "f32", "f64"})));
}

}  // namespace palimpsest
