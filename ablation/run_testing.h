#ifndef ABLATION_RUN_TESTING_H_
#define ABLATION_RUN_TESTING_H_

#include <cstdint>
#include <string>
#include <vector>

namespace palimpsest {

// A run's folder as training leaves it, of numbers made up.
struct FakeRun {
  std::string rule = "delta";  // The config's memory rule.
  uint64_t seed = 1;
  double val_loss = 2, val_accuracy = 0.5;
  int64_t state_bytes = 4096;
  bool complete = true;
  std::string log = {};          // Its log; none if empty.
  std::string more_config = {};  // Text after the rest of the config.
  std::string data = "mqar { vocab: 64 pairs: 4 }";
};
// Writes it to `dir`.
void WriteFakeRun(const std::string& dir, const FakeRun& run);

// A sweep in a new folder: four rows over three seeds, one of which (with a <script> for a name)
// has runs that failed, and one a single run. Returns the folder.
std::string WriteFakeSweep();

}  // namespace palimpsest

#endif  // ABLATION_RUN_TESTING_H_
