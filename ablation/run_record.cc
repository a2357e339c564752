#include "ablation/run_record.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "train/config.h"
#include "train/file.h"
#include "train/proto_text.h"
#include "train/run_config.h"
#include "train/run_dir.h"
#include "train/sealed_text.h"

namespace palimpsest {
namespace {

constexpr char kMetrics[] = "metrics.jsonl", kLog[] = "log";

void AddProblem(const std::string& problem, RunRecord* run) {
  absl::StrAppend(&run->problem, run->problem.empty() ? "" : "; ", problem);
}

double Number(const nlohmann::json& value) { return value.is_number() ? value.get<double>() : NAN; }

// Steps that were made again, after a crash, stand for those before.
void AddPoint(double step, double value, RunCurve* curve) {
  while (!curve->steps.empty() && curve->steps.back() >= step) {
    curve->steps.pop_back();
    curve->values.pop_back();
  }
  curve->steps.push_back(step);
  curve->values.push_back(value);
}

void ReadLine(const nlohmann::json& line, RunRecord* run) {
  const auto step = line.find("step");
  if (step == line.end() || !step->is_number()) return;
  run->step = static_cast<int64_t>(step->get<double>());
  for (const char* name : {"loss", "val_loss", "val_accuracy", "val_sequence_accuracy"}) {
    if (const auto value = line.find(name); value != line.end())
      AddPoint(step->get<double>(), Number(*value), &run->curves[name]);
  }
  const auto statistics = line.find("statistics");
  if (statistics == line.end() || !statistics->is_object()) return;
  for (const auto& [name, value] : statistics->items())
    AddPoint(step->get<double>(), Number(value), &run->curves[name]);
}

std::string DamagedLines(const std::string& path, std::vector<int> lines) {
  constexpr size_t kMostNamed = 5;
  const size_t all = lines.size(), more = all - std::min(all, kMostNamed);
  lines.resize(all - more);
  return absl::StrCat(path, ": ", all == 1 ? "line " : "lines ", absl::StrJoin(lines, ", "),
                      more == 0 ? "" : absl::StrCat(" and ", more, " more"),
                      all == 1 ? " is" : " are", " damaged and left out");
}

void ReadMetrics(RunRecord* run) {
  const std::string path = JoinPath(run->dir, kMetrics);
  if (!FileExists(path)) return;
  const absl::StatusOr<std::string> text = ReadFileToString(path);
  if (!text.ok()) return AddProblem(std::string(text.status().message()), run);
  std::istringstream lines(*text);
  int number = 0;
  std::vector<int> damaged;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && CheckJsonSeal(line) != Seal::kBroken) {
      ReadLine(json, run);
    } else if (!lines.eof()) {  // One without an end was just being written.
      damaged.push_back(number);
    }
  }
  if (!damaged.empty()) AddProblem(DamagedLines(path, damaged), run);
}

void ReadConfig(RunRecord* run) {
  absl::StatusOr<RunConfig> loaded = LoadRunConfig(run->dir, {});
  if (!loaded.ok()) return AddProblem(std::string(loaded.status().message()), run);
  if (!loaded->damaged.empty()) AddProblem(loaded->damaged, run);
  TrainConfig& config = loaded->config;
  run->config_text = ConfigText(config);
  run->config = FlattenProto(config);
  run->seed = config.seed();
  ClearDefaults(&config);
  run->given = FlattenProto(config);
}

// The last line that says something, without what it does to a terminal.
std::string LastLine(const std::string& text) {
  std::string last;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t shown = line.rfind('\r');  // Lines that are rewritten in place.
    line = std::string(absl::StripAsciiWhitespace(
        shown == std::string::npos || shown + 1 == line.size() ? line : line.substr(shown + 1)));
    if (!line.empty()) last = line;
  }
  return last;
}

// A log that ends with a complaint of the program is of a run that failed.
void ReadLog(RunRecord* run) {
  const std::string path = JoinPath(run->dir, kLog);
  if (!FileExists(path)) return;
  const absl::StatusOr<std::string> text = ReadFileToString(path);
  if (!text.ok()) return AddProblem(std::string(text.status().message()), run);
  const std::string last = LastLine(*text);
  if (!absl::StartsWith(last, "palimpsest: ") && !absl::StrContains(last, "check failed")) return;
  run->status = RunStatus::kFailed;
  AddProblem(last, run);
}

std::string StoppedAt(const RunRecord& run) {
  const auto steps = run.config.find("steps");
  return absl::StrCat("stopped after step ", run.step,
                      steps == run.config.end() ? "" : " of " + steps->second);
}

}  // namespace

const char* RunStatusName(RunStatus status) {
  switch (status) {
    case RunStatus::kComplete: return "complete";
    case RunStatus::kUnfinished: return "unfinished";
    case RunStatus::kFailed: return "failed";
  }
  return "";
}

bool IsRunDir(const std::string& dir) {
  return FileExists(RunConfigPath(dir)) || FileExists(JoinPath(dir, kMetrics)) ||
         FileExists(RunSummaryPath(dir));
}

RunRecord ReadRun(const std::string& dir) {
  RunRecord run;
  run.dir = dir;
  ReadConfig(&run);
  ReadMetrics(&run);
  if (const auto version = ReadFileToString(JoinPath(dir, "version")); version.ok())
    run.version = std::string(absl::StripAsciiWhitespace(*version));
  const absl::StatusOr<RunSummary> summary = ReadSummary(dir);
  if (summary.ok()) {
    run.summary = *summary;
    run.step = summary->step;
    run.status = RunStatus::kComplete;
    return run;
  }
  if (summary.status().code() != absl::StatusCode::kNotFound)
    AddProblem(std::string(summary.status().message()), &run);
  ReadLog(&run);
  if (run.problem.empty()) run.problem = StoppedAt(run);
  return run;
}

}  // namespace palimpsest
