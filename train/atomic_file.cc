#include "train/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

absl::Status ErrnoStatus(int error, const std::string& path, const char* doing) {
  const std::string message = absl::StrCat(path, ": ", doing, ": ", std::strerror(error));
  switch (error) {
    case ENOENT: return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS: return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return absl::ResourceExhaustedError(message);
    default: return absl::UnknownError(message);
  }
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// Makes a rename in `path`'s directory survive a loss of power.
absl::Status SyncDirectoryOf(const std::string& path) {
  const std::string directory = DirectoryOf(path);
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, directory, "opening the directory");
  // EINVAL: a file system that knows no such thing as flushing a directory.
  const int error = fsync(fd) != 0 && errno != EINVAL ? errno : 0;
  close(fd);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, directory, "flushing the directory");
}

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string partial, int fd)
    : path_(std::move(path)), partial_(std::move(partial)), fd_(fd) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::exchange(other.partial_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!partial_.empty()) unlink(partial_.c_str());
}

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  for (int attempt = 0;; ++attempt) {
    std::string partial = absl::StrCat(path, kPartial, getpid(), ".", attempt);
    const int fd = open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return AtomicFile(path, std::move(partial), fd);
    if (errno != EEXIST) return ErrnoStatus(errno, partial, "creating");
  }
}

absl::Status AtomicFile::Failed(const char* doing) const {
  return ErrnoStatus(errno, partial_, doing);
}

absl::Status AtomicFile::Append(const void* data, size_t bytes) {
  constexpr size_t kMostAtOnce = size_t{1} << 30;  // Linux writes no more than 2 GiB a call.
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = write(fd_, at, std::min(bytes, kMostAtOnce));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("writing");
    at += written;
    bytes -= static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() {
  if (fsync(fd_) != 0) return Failed("flushing to disk");
  if (close(std::exchange(fd_, -1)) != 0) return Failed("closing");
  if (rename(partial_.c_str(), path_.c_str()) != 0)
    return ErrnoStatus(errno, path_, "renaming into place");
  partial_.clear();
  return SyncDirectoryOf(path_);
}

absl::Status WriteFileAtomically(const std::string& path, const std::string& contents) {
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status s = file->Append(contents.data(), contents.size()); !s.ok()) return s;
  return file->Commit();
}

absl::Status RemovePartialFiles(const std::string& dir) {
  std::error_code error;
  std::vector<std::filesystem::path> partial;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    if (absl::StrContains(it->path().filename().string(), AtomicFile::kPartial))
      partial.push_back(it->path());
  }
  for (size_t i = 0; !error && i < partial.size(); ++i) std::filesystem::remove(partial[i], error);
  if (!error) return absl::OkStatus();
  return ErrnoStatus(error.value(), dir, "removing files that were not finished");
}

}  // namespace palimpsest
