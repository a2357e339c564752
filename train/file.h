#ifndef TRAIN_FILE_H_
#define TRAIN_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "core/file.h"

namespace palimpsest {

// Errors name the path and what the system said.
absl::Status MakeDirectories(const std::string& path);
bool FileExists(const std::string& path);
// "runs/a" and "b" give "runs/a/b"; an absolute name stays as it is.
std::string JoinPath(const std::string& dir, const std::string& name);

}  // namespace palimpsest

#endif  // TRAIN_FILE_H_
