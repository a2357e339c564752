#ifndef TESTS_PROGRAM_TESTING_H_
#define TESTS_PROGRAM_TESTING_H_

#include <string>
#include <vector>

#include "tests/subprocess.h"

namespace palimpsest {

// Runs `palimpsest args`.
ProcessResult Palimpsest(const std::vector<std::string>& args);
std::vector<std::string> PalimpsestCommand(const std::vector<std::string>& args);

// A text and a config of a small model that trains on it, in a new folder.
struct SmallRun {
  SmallRun();
  // "train --config=... --run_dir=..." and `more`.
  std::vector<std::string> TrainArgs(const std::vector<std::string>& more = {}) const;

  std::string dir, text, config, run_dir;
};

}  // namespace palimpsest

#endif  // TESTS_PROGRAM_TESTING_H_
