#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

using Schedule = OptimizerConfig::Schedule;

// How much of [begin, end) is over at `step`, in [0, 1].
double Progress(int64_t step, int64_t begin, int64_t end) {
  if (end <= begin) return step < begin ? 0.0 : 1.0;
  return std::clamp(static_cast<double>(step - begin) / static_cast<double>(end - begin), 0.0, 1.0);
}

}  // namespace

absl::Status CheckSchedule(const Schedule& s, const std::string& where) {
  const auto invalid = [&](const char* field, auto value, const std::string& allowed) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ".", field, " is ", value, "; ", allowed));
  };
  if (s.warmup_steps() < 0)
    return invalid("warmup_steps", s.warmup_steps(), "it must be at least 0");
  if (!(s.min_ratio() >= 0.0 && s.min_ratio() <= 1.0)) {
    return invalid("min_ratio", s.min_ratio(), "it must be in [0, 1]");
  }
  if (s.kind() == Schedule::CONSTANT) return absl::OkStatus();
  const std::string kind = Schedule::Kind_Name(s.kind());
  if (s.total_steps() < 1) {
    return invalid("total_steps", s.total_steps(), absl::StrCat(kind, " needs at least 1"));
  }
  if (s.kind() != Schedule::WSD) return absl::OkStatus();
  if (s.decay_steps() < 1) return invalid("decay_steps", s.decay_steps(), "WSD needs at least 1");
  // A run may end in its warmup: one that is cut short to try it out.
  const int64_t left = s.total_steps() - s.warmup_steps();
  if (left > 0 && s.decay_steps() > left) {
    return invalid("decay_steps", s.decay_steps(),
                   absl::StrCat("WSD has no more than ", left, " steps after warmup_steps ",
                                s.warmup_steps(), " of total_steps ", s.total_steps()));
  }
  return absl::OkStatus();
}

double ScheduleFactor(const Schedule& s, int64_t step) {
  if (step < s.warmup_steps())
    return static_cast<double>(step + 1) / static_cast<double>(s.warmup_steps());
  double height = 1.0;  // Above min_ratio, as a part of what is above it.
  if (s.kind() == Schedule::COSINE) {
    height = 0.5 *
             (1.0 + std::cos(std::numbers::pi * Progress(step, s.warmup_steps(), s.total_steps())));
  } else if (s.kind() == Schedule::WSD) {
    height = 1.0 - Progress(step, s.total_steps() - s.decay_steps(), s.total_steps());
  }
  return s.min_ratio() + (1.0 - s.min_ratio()) * height;
}

}  // namespace palimpsest
