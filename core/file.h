#ifndef CORE_FILE_H_
#define CORE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// Errors name the path and what the system said.
absl::StatusOr<std::string> ReadFileToString(const std::string& path);

// "cannot open PATH: No such file or directory" of an errno: NotFound for ENOENT, else Unavailable.
absl::Status FileError(int error, const std::string& doing, const std::string& path);

}  // namespace palimpsest

#endif  // CORE_FILE_H_
