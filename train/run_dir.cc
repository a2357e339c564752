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

// Lines that are no JSON were not written by us, and are left alone; a last line without an end was
// cut short.
bool Keep(const std::string& line, int64_t step) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return true;
  const auto found = json.find("step");
  return found == json.end() || !found->is_number_integer() || found->get<int64_t>() <= step;
}

std::string LinesUpTo(const std::string& text, int64_t step) {
  std::string kept;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string line = text.substr(begin, end - begin);
    if (Keep(line, step)) absl::StrAppend(&kept, line, "\n");
  }
  return kept;
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
  return std::unique_ptr<RunDir>(new RunDir(path, lock));
}

RunDir::~RunDir() {
  if (metrics_ >= 0) close(metrics_);
  close(lock_);
}

std::string RunDir::checkpoints() const { return RunCheckpoints(path_); }

absl::Status RunDir::WriteConfig(const std::string& config, const std::string& version) {
  absl::Status status = WriteFileAtomically(RunConfigPath(path_), config);
  status.Update(WriteFileAtomically(JoinPath(path_, "version"), version + "\n"));
  return status;
}

absl::Status RunDir::OpenMetrics(int64_t step) {
  const std::string path = MetricsPath(path_);
  if (FileExists(path)) {
    absl::StatusOr<std::string> text = ReadFileToString(path);
    if (!text.ok()) return text.status();
    const std::string kept = LinesUpTo(*text, step);
    if (kept != *text) {
      if (absl::Status s = WriteFileAtomically(path, kept); !s.ok()) return s;
    }
  }
  metrics_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return metrics_ < 0 ? Failed("open", path) : absl::OkStatus();
}

absl::StatusOr<nlohmann::json> RunDir::LastMetrics(const std::string& field) const {
  const absl::StatusOr<std::string> text = ReadFileToString(MetricsPath(path_));
  if (!text.ok()) return text.status();
  for (size_t end = text->size(); end > 0;) {
    const size_t newline = text->rfind('\n', end - 1);
    const size_t begin = newline == std::string::npos ? 0 : newline + 1;
    nlohmann::json json = nlohmann::json::parse(text->substr(begin, end - begin), nullptr,
                                                /*allow_exceptions=*/false);
    if (json.is_object() && json.contains(field)) return json;
    end = begin == 0 ? 0 : newline;
  }
  return nullptr;
}

absl::Status RunDir::AppendMetrics(const nlohmann::ordered_json& metrics) {
  const std::string line = metrics.dump() + "\n";
  const off_t before = lseek(metrics_, 0, SEEK_END);
  const ssize_t written = write(metrics_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return absl::OkStatus();
  if (written >= 0) errno = ENOSPC;
  const absl::Status status = Failed("write to", MetricsPath(path_));
  if (ftruncate(metrics_, before) != 0) return Failed("shorten", MetricsPath(path_));
  return status;
}

}  // namespace palimpsest
