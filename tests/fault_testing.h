#ifndef TESTS_FAULT_TESTING_H_
#define TESTS_FAULT_TESTING_H_

#include <string>
#include <vector>

#include "tests/program_testing.h"
#include "train/checkpoint.h"

namespace palimpsest {

// `palimpsest train` with `args`, and FAULT=`fault` on the files below `dir` (fault_shim.cc).
// `calls`, if given, becomes the number of system calls on them.
ProcessResult TrainWithFault(const std::vector<std::string>& args, const std::string& dir,
                             const std::string& fault, int* calls = nullptr);

// A run to break: four steps, with checkpoints and evaluations at two and four.
struct RunToBreak : SmallRun {
  std::vector<std::string> Args(const std::vector<std::string>& more = {}) const;
  std::vector<std::string> Resume(const std::vector<std::string>& more = {}) const;
};

// What must come out the same: the tensors of the newest checkpoint, and what metrics.jsonl says
// that is not of the clock.
struct RunResult {
  Checkpoint newest;
  std::vector<std::string> metrics;
};
RunResult ResultOf(const std::string& run_dir);
void ExpectSameBits(const RunResult& found, const RunResult& expected);

}  // namespace palimpsest

#endif  // TESTS_FAULT_TESTING_H_
