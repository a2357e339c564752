#include "ablation/sweep_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <set>

#include "ablation/sweep.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/file.h"
#include "google/protobuf/text_format.h"
#include "train/atomic_file.h"
#include "train/config.h"
#include "train/file.h"
#include "train/proto_text.h"
#include "train/run_id.h"

namespace palimpsest {
namespace {

constexpr size_t kMostDifferences = 5;

std::string RunName(const std::string& id, uint64_t seed) { return absl::StrCat(id, "-s", seed); }
std::string SweepTextPath(const std::string& dir) { return JoinPath(dir, "sweep.textproto"); }

std::vector<uint64_t> SeedsOf(const SweepManifest::Row& row) {
  std::vector<uint64_t> seeds;
  for (const SweepManifest::Run& run : row.runs) seeds.push_back(run.seed);
  return seeds;
}

// "model.width (32 -> 64)", ...
std::string FieldDifference(TrainConfig before, TrainConfig after) {
  ClearDefaults(&before);
  ClearDefaults(&after);
  const auto old_values = FlattenProto(before), new_values = FlattenProto(after);
  std::set<std::string> fields;
  for (const auto& [field, value] : old_values) fields.insert(field);
  for (const auto& [field, value] : new_values) fields.insert(field);
  const auto value = [](const auto& values, const std::string& field) {
    const auto found = values.find(field);
    return found == values.end() ? "default" : found->second;
  };
  std::vector<std::string> lines;
  for (const std::string& field : fields) {
    const std::string a = value(old_values, field), b = value(new_values, field);
    if (a != b && field != "seed" && !BearsOnNoResult(field) && lines.size() < kMostDifferences)
      lines.push_back(absl::StrCat(field, " (", a, " -> ", b, ")"));
  }
  return absl::StrJoin(lines, ", ");
}

}  // namespace

absl::Status CheckHoldsSweep(const std::string& path) {
  if (FileExists(SweepManifestPath(path))) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat(path, " holds no sweep to go on with: give --sweep=FILE"));
}

absl::StatusOr<std::unique_ptr<SweepDir>> SweepDir::Open(const std::string& path) {
  if (absl::Status s = MakeDirectories(path); !s.ok()) return s;
  std::error_code error;
  const std::string absolute = std::filesystem::canonical(path, error).string();
  if (error) return FileError(error.value(), "find", path);
  const std::string lock_path = JoinPath(absolute, "lock");
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return FileError(errno, "open", lock_path);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return absl::UnavailableError(absl::StrCat("another process is running the sweep in ", path,
                                               "; wait for it or stop it, or give another --out"));
  }
  return std::unique_ptr<SweepDir>(new SweepDir(absolute, lock));
}

SweepDir::~SweepDir() { close(lock_); }

std::string SweepDir::RunPath(const SweepManifest::Run& run) const {
  return JoinPath(path_, run.dir);
}

std::string SweepDir::ConfigPath(const SweepManifest::Run& run) const {
  return absl::StrCat(path_, "/configs/", std::filesystem::path(run.dir).filename().string(),
                      ".textproto");
}

absl::StatusOr<TrainConfig> SweepDir::Config(const SweepManifest::Run& run) const {
  return LoadConfig(ConfigPath(run), {});
}

absl::Status SweepDir::SetStatus(size_t row, size_t run, const std::string& status) {
  std::string& before = manifest_.rows[row].runs[run].status;
  if (before == status) return absl::OkStatus();
  before = status;
  return WriteSweepManifest(path_, manifest_);
}

absl::Status SweepDir::Prepare(const SweepPlan* plan, const SweepProgram& program, OnChange config,
                               OnChange changed_program) {
  const absl::StatusOr<std::string> hash = ProgramHash(program);
  if (!hash.ok()) return hash.status();
  if (plan == nullptr) {
    if (absl::Status s = CheckHoldsSweep(path_); !s.ok()) return s;
  }
  if (!FileExists(SweepManifestPath(path_))) {
    if (absl::Status s = TakeProgram(program, *hash); !s.ok()) return s;
    return Freeze(*plan);
  }
  if (absl::Status s = Load(); !s.ok()) return s;
  // What is about to be replaced may be damaged.
  const bool new_config = plan != nullptr && config == OnChange::kNew;
  const bool new_program = changed_program == OnChange::kNew;
  absl::Status status;
  if (!new_program) status.Update(CheckProgram());
  if (!new_config) status.Update(CheckConfigs());
  if (!status.ok()) return status;
  const std::string difference = plan == nullptr ? "" : Difference(*plan);
  if (!difference.empty() && config == OnChange::kRefuse)
    return absl::FailedPreconditionError(absl::StrCat(
        "the sweep in ", path_, " was begun with another config: ", difference,
        "; --config=frozen goes on with that one, --config=new takes this one and keeps what runs "
        "of the same config have done, another --out starts afresh"));
  const bool other_program = *hash != manifest_.program;
  if (other_program && changed_program == OnChange::kRefuse)
    return absl::FailedPreconditionError(absl::StrCat(
        "the sweep in ", path_, " was begun with another program (", manifest_.program,
        ", this is ", *hash,
        "); --program=frozen goes on with the copy of that one, --program=new takes this "
        "one for the runs that are left, another --out starts afresh"));
  if (new_program) {
    if (absl::Status s = TakeProgram(program, *hash); !s.ok()) return s;
  }
  return new_config ? Freeze(*plan) : WriteSweepManifest(path_, manifest_);
}

absl::Status SweepDir::TakeProgram(const SweepProgram& program, const std::string& hash) {
  manifest_.program = hash;
  return CopyProgram(program, path_);
}

// The manifest comes last: without it nothing is frozen.
absl::Status SweepDir::Freeze(const SweepPlan& plan) {
  if (absl::Status s = MakeDirectories(JoinPath(path_, "configs")); !s.ok()) return s;
  if (absl::Status s = MakeDirectories(JoinPath(path_, "runs")); !s.ok()) return s;
  sweep_ = plan.sweep;
  std::error_code error;
  manifest_.directory = std::filesystem::current_path(error).string();
  manifest_.title = sweep_.title();
  manifest_.metric = sweep_.metric();
  manifest_.baseline = sweep_.has_baseline() ? sweep_.baseline() : plan.rows.front().name;
  std::map<std::string, std::string> before;  // What is known of a run stays.
  for (const SweepManifest::Row& row : manifest_.rows) {
    for (const SweepManifest::Run& run : row.runs) before[run.dir] = run.status;
  }
  manifest_.rows.clear();
  for (const SweepPlan::Row& row : plan.rows) {
    manifest_.rows.push_back({row.name, row.id, {}});
    TrainConfig config = row.config;
    for (const uint64_t seed : plan.seeds) {
      SweepManifest::Run run{.seed = seed, .dir = JoinPath("runs", RunName(row.id, seed))};
      if (const auto found = before.find(run.dir); found != before.end())
        run.status = found->second;
      config.set_seed(seed);
      if (absl::Status s = WriteFileAtomically(ConfigPath(run), ConfigText(config)); !s.ok())
        return s;
      manifest_.rows.back().runs.push_back(run);
    }
  }
  std::string text;
  google::protobuf::TextFormat::PrintToString(sweep_, &text);
  if (absl::Status s = WriteFileAtomically(SweepTextPath(path_), text); !s.ok()) return s;
  return WriteSweepManifest(path_, manifest_);
}

absl::Status SweepDir::Load() {
  absl::StatusOr<SweepManifest> manifest = ReadSweepManifest(path_);
  if (!manifest.ok()) return manifest.status();
  manifest_ = *std::move(manifest);
  const absl::StatusOr<std::string> text = ReadFileToString(SweepTextPath(path_));
  if (!text.ok()) return text.status();
  absl::StatusOr<Sweep> sweep = ParseSweep(*text, SweepTextPath(path_));
  if (!sweep.ok()) return sweep.status();
  sweep_ = *std::move(sweep);
  return absl::OkStatus();
}

absl::Status SweepDir::CheckProgram() const {
  const absl::StatusOr<std::string> hash = ProgramHash(CopiedProgram(path_));
  if (!hash.ok()) return hash.status();
  if (*hash == manifest_.program) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path_, "/program is not what was frozen there (", *hash,
                                          ", not ", manifest_.program,
                                          "); --program=new takes this one instead"));
}

absl::Status SweepDir::CheckConfigs() const {
  for (const SweepManifest::Row& row : manifest_.rows) {
    for (const SweepManifest::Run& run : row.runs) {
      const absl::StatusOr<TrainConfig> config = Config(run);
      if (!config.ok()) return config.status();
      if (RunId(*config) != row.id || config->seed() != run.seed)
        return absl::DataLossError(
            absl::StrCat(ConfigPath(run), " was changed after it was frozen: its id is ",
                         RunName(RunId(*config), config->seed()),
                         "; to change a config, change the sweep's file and give --config=new"));
    }
  }
  return absl::OkStatus();
}

std::string SweepDir::Difference(const SweepPlan& plan) const {
  std::vector<std::string> lines;
  std::string seeds;  // The same for all rows.
  std::map<std::string, const SweepManifest::Row*> before;
  for (const SweepManifest::Row& row : manifest_.rows) before[row.name] = &row;
  for (const SweepPlan::Row& row : plan.rows) {
    const auto found = before.find(row.name);
    if (found == before.end()) {
      lines.push_back(absl::StrCat("row \"", row.name, "\" is new"));
      continue;
    }
    const SweepManifest::Row& old_row = *found->second;
    before.erase(found);
    const absl::StatusOr<TrainConfig> config = Config(old_row.runs.front());
    if (old_row.id != row.id)
      lines.push_back(absl::StrCat(
          "row \"", row.name, "\": ",
          config.ok() ? FieldDifference(*config, row.config) : std::string("another config")));
    if (SeedsOf(old_row) != plan.seeds)
      seeds = absl::StrCat("seeds (", absl::StrJoin(SeedsOf(old_row), ", "), " -> ",
                           absl::StrJoin(plan.seeds, ", "), ")");
  }
  if (!seeds.empty()) lines.push_back(seeds);
  for (const auto& [name, row] : before)
    lines.push_back(absl::StrCat("row \"", name, "\" is gone"));
  if (lines.size() > kMostDifferences) {
    const size_t more = lines.size() - kMostDifferences;
    lines.resize(kMostDifferences);
    lines.push_back(absl::StrCat("and ", more, " more"));
  }
  return absl::StrJoin(lines, "; ");
}

}  // namespace palimpsest
