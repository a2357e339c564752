#include "train/metrics_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "train/atomic_file.h"
#include "train/file.h"
#include "train/sealed_text.h"

namespace palimpsest {
namespace {

absl::Status Failed(const char* doing, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(errno)));
}

struct Line {
  enum { kOurs, kDamaged, kAnothers } kind;
  nlohmann::json json;
};

Line ReadLine(const std::string& text) {
  const Seal seal = CheckJsonSeal(text);
  if (seal == Seal::kBroken) return {Line::kDamaged, {}};
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return {Line::kOurs, std::move(json)};
  return {text.starts_with('{') ? Line::kDamaged : Line::kAnothers, {}};
}

int64_t StepOf(const nlohmann::json& line) {
  const auto found = line.find("step");
  return found != line.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

bool MadeAgain(const nlohmann::json& line, int64_t step, bool evaluate) {
  const int64_t of = StepOf(line);
  return of > step || (of == step && evaluate && line.contains("val_loss"));
}

absl::Status AppendToFile(const std::string& path, const std::string& text) {
  absl::StatusOr<std::string> before = "";
  if (FileExists(path)) before = ReadFileToString(path);
  return before.ok() ? WriteFileAtomically(path, *before + text) : before.status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsFile>> MetricsFile::Open(const std::string& path,
                                                               int64_t step, bool evaluate) {
  std::unique_ptr<MetricsFile> file(new MetricsFile(path));
  if (FileExists(path)) {
    if (absl::Status s = file->Clean(step, evaluate); !s.ok()) return s;
  }
  file->fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file->fd_ < 0) return Failed("open", path);
  return file;
}

MetricsFile::~MetricsFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status MetricsFile::Clean(int64_t step, bool evaluate) {
  const absl::StatusOr<std::string> text = ReadFileToString(path_);
  if (!text.ok()) return text.status();
  std::string kept, damaged;
  const std::string damaged_path = path_ + ".damaged";
  int64_t number = 1;
  // A last line without an end was cut short.
  for (size_t begin = 0, end; (end = text->find('\n', begin)) != std::string::npos;
       begin = end + 1, ++number) {
    const std::string raw = text->substr(begin, end - begin);
    Line line = ReadLine(raw);
    if (line.kind == Line::kDamaged) {
      damaged_.push_back(absl::StrCat(path_, ":", number, ": moved to ", damaged_path));
      absl::StrAppend(&damaged, raw, "\n");
      continue;
    }
    if (line.kind == Line::kOurs && MadeAgain(line.json, step, evaluate)) continue;
    absl::StrAppend(&kept, raw, "\n");
    if (line.kind != Line::kOurs) continue;
    if (StepOf(line.json) == step && line.json.contains("val_loss")) evaluated_ = true;
    if (line.json.contains("loss")) last_step_ = std::move(line.json);
  }
  if (kept == *text) return absl::OkStatus();
  absl::Status status;
  if (!damaged.empty()) status = AppendToFile(damaged_path, damaged);
  return status.ok() ? WriteFileAtomically(path_, kept) : status;
}

absl::Status MetricsFile::Append(const nlohmann::ordered_json& metrics) {
  const std::string line = SealJson(metrics.dump()) + "\n";
  const off_t before = lseek(fd_, 0, SEEK_END);
  for (size_t done = 0; done < line.size();) {
    const ssize_t written = write(fd_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const absl::Status status = Failed("write to", path_);
      return ftruncate(fd_, before) == 0 ? status : Failed("shorten", path_);
    }
    done += static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status MetricsFile::Sync() {
  return fsync(fd_) == 0 || errno == EINVAL ? absl::OkStatus() : Failed("flush to disk", path_);
}

}  // namespace palimpsest
