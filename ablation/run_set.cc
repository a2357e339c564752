#include "ablation/run_set.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "ablation/sweep_manifest.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "train/file.h"

namespace palimpsest {
namespace {

namespace fs = std::filesystem;

// How deep runs are looked for in a folder that is none, and how many fields name a row.
constexpr int kDeepest = 3;
constexpr size_t kMostNamingFields = 3;

// "runs/a" of "runs/a/".
std::string Name(const std::string& dir) {
  std::error_code error;
  const fs::path path = fs::weakly_canonical(dir, error);
  return error ? dir : path.filename().string();
}

std::string Unquoted(const std::string& value) {
  const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
  return quoted ? value.substr(1, value.size() - 2) : value;
}

// Of the fields that bear on results; equal for runs that differ in the seed alone.
std::string Identity(const RunRecord& run) {
  std::string text;
  for (const auto& [field, value] : run.config) {
    if (!IsOfOneRun(field)) absl::StrAppend(&text, field, "=", value, "\n");
  }
  return text;
}

class Reader {
 public:
  absl::Status Read(const std::string& path) {
    if (!FileExists(path)) return absl::NotFoundError(absl::StrCat("there is no ", path));
    const size_t before = found_;
    if (absl::Status s = Find(path, 0); !s.ok()) return s;
    if (found_ > before) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     " is no run: it has no config.textproto, no sweep.json, and no folder "
                     "with one"));
  }

  RunSet Finish() {
    for (auto& [identity, runs] : bare_) set_.rows.push_back({"", "", std::move(runs)});
    FindVaried();
    for (RunRow& row : set_.rows) {
      if (row.name.empty()) row.name = NameOf(row);
    }
    MakeNamesUnique();
    if (sweeps_ != 1 || !bare_.empty()) set_.sweep_dir.clear(), set_.program.clear();
    if (set_.title.empty()) set_.title = sweeps_ > 1 ? "Sweeps compared" : "Runs compared";
    return std::move(set_);
  }

 private:
  absl::Status Find(const std::string& dir, int depth) {
    if (FileExists(SweepManifestPath(dir))) return ReadSweep(dir);
    if (IsRunDir(dir)) {
      if (IsNew(dir)) AddBare(ReadRun(dir));
      return absl::OkStatus();
    }
    if (depth == kDeepest) return absl::OkStatus();
    std::error_code error;
    std::set<std::string> inside;
    for (const auto& entry : fs::directory_iterator(dir, error)) {
      if (entry.is_directory(error)) inside.insert(entry.path().string());
    }
    for (const std::string& path : inside) {
      if (absl::Status s = Find(path, depth + 1); !s.ok()) return s;
    }
    return absl::OkStatus();
  }

  // Whether this run was not read yet, by whatever name.
  bool IsNew(const std::string& dir) {
    ++found_;
    std::error_code error;
    return seen_.insert(fs::weakly_canonical(dir, error).string()).second;
  }

  // Rows come in the order their first runs are met in.
  void AddBare(RunRecord run) {
    const std::string identity = run.config.empty() ? run.dir : Identity(run);
    auto row = std::find_if(bare_.begin(), bare_.end(),
                            [&](const auto& other) { return other.first == identity; });
    if (row == bare_.end()) row = bare_.insert(bare_.end(), {identity, {}});
    row->second.push_back(std::move(run));
  }

  absl::Status ReadSweep(const std::string& dir) {
    absl::StatusOr<SweepManifest> sweep = ReadSweepManifest(dir);
    if (!sweep.ok()) return sweep.status();
    ++sweeps_;
    set_.sweep_dir = dir;
    if (sweeps_ == 1) {
      set_.title = sweep->title;
      set_.baseline = sweep->baseline;
      set_.metric = sweep->metric;
      set_.program = sweep->program;
    }
    for (SweepManifest::Row& from : sweep->rows) {
      auto row = std::find_if(set_.rows.begin(), set_.rows.end(),
                              [&](const RunRow& r) { return !from.id.empty() && r.id == from.id; });
      if (row == set_.rows.end()) row = set_.rows.insert(row, {from.name, from.id, {}});
      for (SweepManifest::Run& run : from.runs) {
        run.dir = JoinPath(dir, run.dir);
        if (IsNew(run.dir)) row->runs.push_back(ReadSweepRun(run));
      }
    }
    return absl::OkStatus();
  }

  static RunRecord ReadSweepRun(const SweepManifest::Run& from) {
    if (!IsRunDir(from.dir)) {
      RunRecord run;
      run.dir = from.dir;
      run.seed = from.seed;
      run.problem = "not started";
      if (from.failed()) run.status = RunStatus::kFailed, run.problem = from.status;
      return run;
    }
    RunRecord run = ReadRun(from.dir);
    run.seed = from.seed;
    if (run.status == RunStatus::kComplete || !from.failed()) return run;
    run.status = RunStatus::kFailed;
    run.problem = absl::StrCat(from.status, run.problem.empty() ? "" : ": ", run.problem);
    return run;
  }

  void FindVaried() {
    static const ConfigFields kNone;
    std::vector<ConfigOfRow> configs;
    for (const RunRow& row : set_.rows) {
      const RunRecord* run = RunWithConfig(row);
      configs.push_back(run == nullptr ? ConfigOfRow{&kNone, &kNone}
                                       : ConfigOfRow{&run->config, &run->given});
    }
    set_.varied = palimpsest::FindVaried(configs);
  }

  // The end of a field's path, long enough that no other that varies ends alike.
  std::string ShortField(const std::string& field) const {
    for (size_t dot = field.rfind('.'); dot != std::string::npos && dot > 0;
         dot = field.rfind('.', dot - 1)) {
      const std::string end = field.substr(dot);
      if (end == ".name") continue;
      const auto ends_alike = [&](const auto& other) {
        return absl::EndsWith("." + other.first, end);
      };
      if (std::count_if(given().begin(), given().end(), ends_alike) == 1) return end.substr(1);
    }
    return field;
  }

  std::string NameOf(const RunRow& row) const {
    const size_t index = static_cast<size_t>(&row - set_.rows.data());
    if (given().empty() || given().size() > kMostNamingFields) return Name(row.runs[0].dir);
    std::vector<std::string> parts;
    for (const auto& [field, values] : given()) {
      if (!values[index].empty())
        parts.push_back(absl::StrCat(ShortField(field), "=", Unquoted(values[index])));
    }
    return parts.empty() ? Name(row.runs[0].dir) : absl::StrJoin(parts, ", ");
  }

  const std::map<std::string, std::vector<std::string>>& given() const { return set_.varied.given; }

  void MakeNamesUnique() {
    std::set<std::string> taken;
    for (RunRow& row : set_.rows) {
      const std::string name = row.name;
      for (int i = 2; !taken.insert(row.name).second; ++i)
        row.name = absl::StrCat(name, " (", i, ")");
    }
  }

  RunSet set_;
  std::vector<std::pair<std::string, std::vector<RunRecord>>> bare_;
  std::set<std::string> seen_;
  size_t found_ = 0;
  int sweeps_ = 0;
};

}  // namespace

const RunRecord* RunWithConfig(const RunRow& row) {
  for (const RunRecord& run : row.runs) {
    if (!run.config.empty()) return &run;
  }
  return nullptr;
}

absl::StatusOr<RunSet> ReadRuns(const std::vector<std::string>& paths) {
  if (paths.empty())
    return absl::InvalidArgumentError("what is to be compared? give folders of runs or of sweeps");
  Reader reader;
  for (const std::string& path : paths) {
    if (absl::Status s = reader.Read(path); !s.ok()) return s;
  }
  return reader.Finish();
}

}  // namespace palimpsest
