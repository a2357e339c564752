#ifndef ABLATION_SWEEP_PROGRAM_H_
#define ABLATION_SWEEP_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace palimpsest {

// What trains a sweep's runs: an executable that takes the arguments of `palimpsest train`, and the
// plugins it loads.
struct SweepProgram {
  std::string path;
  std::vector<std::string> plugins;  // Sorted by their files' names.
};

// This process's own executable and plugins.
absl::StatusOr<SweepProgram> ThisProgram();
// Of the bytes of all of it.
absl::StatusOr<std::string> ProgramHash(const SweepProgram& program);

// A copy in `dir`, as dir/program and dir/plugins/NAME, which no later build changes.
absl::Status CopyProgram(const SweepProgram& program, const std::string& dir);
// The copy that is there.
SweepProgram CopiedProgram(const std::string& dir);

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_PROGRAM_H_
