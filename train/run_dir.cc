#include "train/run_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "train/atomic_file.h"
#include "train/file.h"
#include "train/sealed_text.h"

namespace palimpsest {
namespace {

std::string MetricsPath(const std::string& run) { return JoinPath(run, "metrics.jsonl"); }

absl::Status Failed(const char* doing, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(errno)));
}

// Something to lose: a run that ended before its first result may be begun again.
bool HoldsRun(const std::string& run) {
  std::error_code error;
  const bool metrics = !std::filesystem::is_empty(MetricsPath(run), error) && !error;
  return metrics || HasCheckpoints(run);
}

}  // namespace

std::string RunConfigPath(const std::string& run) { return JoinPath(run, "config.textproto"); }
std::string RunCheckpoints(const std::string& run) { return JoinPath(run, "checkpoints"); }

bool HasCheckpoints(const std::string& run) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(RunCheckpoints(run), error)) {
    if (entry.path().extension() == ".safetensors") return true;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<RunDir>> RunDir::Open(const std::string& path, bool resume) {
  if (!resume && HoldsRun(path))
    return absl::AlreadyExistsError(absl::StrCat(
        path, " already holds a run. To go on with it: palimpsest train --run_dir=", path,
        " --resume; to start another, give another --run_dir"));
  if (absl::Status s = MakeDirectories(RunCheckpoints(path)); !s.ok()) return s;
  const std::string lock_path = JoinPath(path, "lock");
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return Failed("open", lock_path);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return absl::UnavailableError(absl::StrCat("another process is training in ", path));
  }
  std::unique_ptr<RunDir> run(new RunDir(path, lock));
  for (const std::string& dir : {path, RunCheckpoints(path)}) {
    if (absl::Status s = RemovePartialFiles(dir); !s.ok()) return s;
  }
  return run;
}

RunDir::~RunDir() { close(lock_); }

std::string RunDir::checkpoints() const { return RunCheckpoints(path_); }

absl::Status RunDir::WriteConfig(const std::string& config, const std::string& version) {
  absl::Status status = WriteFileAtomically(RunConfigPath(path_), SealTextProto(config));
  status.Update(WriteFileAtomically(JoinPath(path_, "version"), version + "\n"));
  return status;
}

absl::Status RunDir::OpenMetrics(int64_t step, bool evaluate) {
  absl::StatusOr<std::unique_ptr<MetricsFile>> file =
      MetricsFile::Open(MetricsPath(path_), step, evaluate);
  if (file.ok()) metrics_ = *std::move(file);
  return file.status();
}

}  // namespace palimpsest
