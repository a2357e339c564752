#include "train/liveness.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace palimpsest {
namespace {

constexpr char kRatio[] = ".update_ratio";
constexpr int64_t kLooks = 5;
constexpr double kSpike = 10.0;

}  // namespace

absl::Status CheckLevelsFire(const TrainConfig& config) {
  for (int b = 0; b < config.model().block_size(); ++b) {
    const auto& cms = config.model().block(b).cms();
    for (int i = 0; i < cms.level_size(); ++i) {
      const auto& level = cms.level(i);
      if (level.frozen() || level.period() < config.length()) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "model.block.", b, ".cms.level.", i, ".period: ", level.period(),
          " leaves no token of a sequence to read what the level writes: length is ",
          config.length(),
          ", and each sequence starts afresh. Give a shorter period, a longer length, or period 0 "
          "for a static MLP"));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> LivenessWatch::See(int64_t step,
                                            const std::map<std::string, double>& statistics) {
  std::vector<std::string> warnings;
  for (const auto& [name, ratio] : statistics) {
    if (!absl::EndsWith(name, kRatio)) continue;
    const std::string path = name.substr(0, name.size() - (sizeof(kRatio) - 1));
    Level& level = levels_[path];
    level.low = ratio < kDeadUpdateRatio ? level.low + 1 : 0;
    if (level.low >= kLooks && !level.dead) {
      level.dead = true;
      warnings.push_back(absl::StrFormat(
          "warning: %s is dead: up to step %d, %d looks in a row found that a write moves its "
          "weights by less than %.0e of their size; give it a larger rate, or period 0",
          path, step, kLooks, kDeadUpdateRatio));
    }
    const double usual = level.looks > 0 ? level.sum / static_cast<double>(level.looks) : 0.0;
    if (level.looks >= kLooks && usual > kDeadUpdateRatio && ratio > kSpike * usual &&
        !level.spiked) {
      level.spiked = true;
      warnings.push_back(absl::StrFormat(
          "warning: %s: at step %d a write moved its weights by %.2g of their size, and by %.2g "
          "on average before; a smaller rate, clipping or reduce: MEAN may help",
          path, step, ratio, usual));
    }
    ++level.looks;
    level.sum += ratio;
  }
  return warnings;
}

}  // namespace palimpsest
