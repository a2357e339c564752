#ifndef TRAIN_LIVENESS_H_
#define TRAIN_LIVENESS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "train/config.pb.h"

namespace palimpsest {

// |write| / |weights| below which a level is dead: where weights are f32, less than about half of
// this changes none of them.
constexpr double kDeadUpdateRatio = 1e-7;

// InvalidArgument if a level of a Continuum Memory System has so long a period that no token of a
// sequence would read what it learns.
absl::Status CheckLevelsFire(const TrainConfig& config);

// Watches the levels of a model by the statistics "PATH.update_ratio" of its logged steps.
class LivenessWatch {
 public:
  // Warnings, each level's of one kind once: that it is dead, as its writes are lost to rounding;
  // that a write was ten times as large as those before.
  std::vector<std::string> See(int64_t step, const std::map<std::string, double>& statistics);

 private:
  struct Level {
    int64_t looks = 0, low = 0;  // Looks at it; the last so many of them found nothing.
    double sum = 0.0;
    bool dead = false, spiked = false;  // Said so.
  };
  std::map<std::string, Level> levels_;
};

}  // namespace palimpsest

#endif  // TRAIN_LIVENESS_H_
