#include "ablation/sweep_run.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/file.h"
#include "nlohmann/json.hpp"
#include "train/config.h"
#include "train/file.h"
#include "train/run_dir.h"
#include "train/run_id.h"
#include "train/run_summary.h"

namespace palimpsest {
namespace {

std::string TailOf(const std::string& path, int64_t bytes) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "";
  in.seekg(std::max<int64_t>(0, static_cast<int64_t>(in.tellg()) - bytes));
  return {std::istreambuf_iterator<char>(in), {}};
}

// An exit code left by a job of a batch system.
void ReadExitCode(SweepRun* run) {
  const absl::StatusOr<std::string> text = ReadFileToString(ExitCodePath(run->path));
  int code = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &code)) return;
  run->end = ClassifyExitCode(code, /*oom_kill=*/false);
}

// How it failed before, if it did.
void Recall(const std::string& status, SweepRun* run) {
  for (RunEnd end : {RunEnd::kNotFinite, RunEnd::kOutOfMemory, RunEnd::kKilled, RunEnd::kOther}) {
    if (status == RunEndName(end)) run->end = end;
  }
  ReadExitCode(run);
}

void ReadState(const SweepDir& dir, const std::string& status, SweepRun* run) {
  ReadStep(run);
  const absl::StatusOr<bool> complete = IsComplete(dir, *run);
  if (complete.ok() && *complete) {
    run->state = SweepRun::State::kComplete;
    return;
  }
  Recall(status, run);
  if (!complete.ok()) {
    run->problem = std::string(complete.status().message());
    run->end = RunEnd::kOther;
  }
  // It would come to the same.
  if (!complete.ok() || run->end == RunEnd::kNotFinite) run->state = SweepRun::State::kFailed;
}

}  // namespace

absl::StatusOr<std::vector<SweepRun>> FindRuns(const SweepDir& dir) {
  std::vector<SweepRun> runs;
  const SweepManifest& manifest = dir.manifest();
  for (size_t i = 0; i < manifest.rows.size(); ++i) {
    for (size_t j = 0; j < manifest.rows[i].runs.size(); ++j) {
      const SweepManifest::Run& entry = manifest.rows[i].runs[j];
      const absl::StatusOr<TrainConfig> config = dir.Config(entry);
      if (!config.ok()) return config.status();
      SweepRun run{.row = i,
                   .run = j,
                   .row_name = manifest.rows[i].name,
                   .path = dir.RunPath(entry),
                   .seed = entry.seed,
                   .steps = config->steps()};
      ReadState(dir, entry.status, &run);
      runs.push_back(std::move(run));
    }
  }
  return runs;
}

absl::StatusOr<bool> IsComplete(const SweepDir& dir, const SweepRun& run) {
  if (!ReadSummary(run.path).ok()) return false;
  const absl::StatusOr<TrainConfig> config = LoadConfig(RunConfigPath(run.path), {});
  if (!config.ok()) return config.status();
  const std::string id = RunId(*config), &expected = dir.manifest().rows[run.row].id;
  if (id == expected && config->seed() == run.seed) return true;
  return absl::DataLossError(absl::StrCat(
      run.path, " was trained with another config than the sweep's: its id is ", id, "-s",
      config->seed(), "; have its data changed? Move it away to have it trained again"));
}

bool IsLocked(const std::string& run_path) {
  const int lock = open(JoinPath(run_path, "lock").c_str(), O_RDWR | O_CLOEXEC);
  if (lock < 0) return false;
  const bool locked = flock(lock, LOCK_EX | LOCK_NB) != 0;
  close(lock);
  return locked;
}

void ReadStep(SweepRun* run) {
  constexpr int64_t kTail = 1 << 16;
  const std::string tail = TailOf(JoinPath(run->path, "metrics.jsonl"), kTail);
  const std::vector<std::string> lines = absl::StrSplit(tail, '\n');
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    const auto json = nlohmann::json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("loss")) continue;
    run->step = json.value("step", int64_t{0});
    if (json["loss"].is_number()) run->loss = json["loss"].get<double>();
    return;
  }
}

std::string LogPath(const std::string& run_path) { return JoinPath(run_path, "log"); }
std::string ExitCodePath(const std::string& run_path) { return JoinPath(run_path, "exit_code"); }

std::vector<std::string> LastLines(const std::string& path, size_t count) {
  constexpr int64_t kTail = 1 << 14;
  std::vector<std::string> lines;
  for (std::string line : std::vector<std::string>(absl::StrSplit(TailOf(path, kTail), '\n'))) {
    std::erase_if(line, [](unsigned char c) { return std::iscntrl(c) != 0; });
    absl::StripAsciiWhitespace(&line);
    if (!line.empty()) lines.push_back(line);
  }
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<int64_t>(count));
  return lines;
}

}  // namespace palimpsest
