#ifndef TRAIN_ATOMIC_FILE_H_
#define TRAIN_ATOMIC_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// A file that appears whole or not at all. It is written beside its place and, on Commit, flushed
// to disk and renamed over it. Until then, and after any error, what was there before stays.
class AtomicFile {
 public:
  // Part of the name of a file that is not committed, and will not be if its writer was killed.
  static constexpr char kPartial[] = ".partial.";

  static absl::StatusOr<AtomicFile> Create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // Removes what was not committed.

  absl::Status Append(const void* data, size_t bytes);
  absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string partial, int fd);
  absl::Status Failed(const char* doing) const;

  std::string path_, partial_;
  int fd_;
};

// Replaces the contents of `path` by `contents`, whole or not at all.
absl::Status WriteFileAtomically(const std::string& path, const std::string& contents);

// Removes from `dir` what writers that were killed left of files they had not committed. None may
// be at work.
absl::Status RemovePartialFiles(const std::string& dir);

}  // namespace palimpsest

#endif  // TRAIN_ATOMIC_FILE_H_
