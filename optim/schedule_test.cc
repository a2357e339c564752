#include "optim/schedule.h"

#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "optim/testing.h"

namespace palimpsest {
namespace {

std::vector<double> Factors(const std::string& schedule, int64_t steps) {
  std::vector<double> factors;
  for (int64_t step = 0; step < steps; ++step)
    factors.push_back(ScheduleFactor(ParseSchedule(schedule), step));
  return factors;
}

void ExpectNear(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-15) << i;
}

TEST(Schedule, Constant) {
  ExpectNear(Factors("", 3), {1, 1, 1});
  ExpectNear(Factors("warmup_steps: 4", 6), {0.25, 0.5, 0.75, 1, 1, 1});
}

TEST(Schedule, CosineFallsFromTheEndOfWarmupToTheRatio) {
  ExpectNear(
      Factors("kind: COSINE warmup_steps: 2 total_steps: 6 min_ratio: 0.2", 9),
      {0.5, 1, 1, 0.6 + 0.4 * std::sqrt(0.5), 0.6, 0.6 - 0.4 * std::sqrt(0.5), 0.2, 0.2, 0.2});
}

TEST(Schedule, WarmupStableDecay) {
  ExpectNear(Factors("kind: WSD warmup_steps: 2 total_steps: 8 decay_steps: 4", 10),
             {0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0});
}

TEST(Schedule, WarmupOnly) {
  ExpectNear(Factors("kind: COSINE warmup_steps: 3 total_steps: 3", 4), {1.0 / 3, 2.0 / 3, 1, 0});
}

TEST(Schedule, MayEndInItsWarmup) {
  const std::string end = " total_steps: 2 warmup_steps: 4 decay_steps: 9";
  for (const std::string kind : {"kind: COSINE", "kind: WSD"}) {
    EXPECT_TRUE(CheckSchedule(ParseSchedule(kind + end), "").ok());
    ExpectNear(Factors(kind + end, 2), {0.25, 0.5});
  }
}

TEST(Schedule, RejectsWhatIsOutOfRange) {
  struct Case {
    std::string schedule, message;
  };
  for (const Case& c : std::vector<Case>{
           {"warmup_steps: -1", "o.schedule.warmup_steps is -1; it must be at least 0"},
           {"min_ratio: 1.5", "o.schedule.min_ratio is 1.5; it must be in [0, 1]"},
           {"min_ratio: nan", "o.schedule.min_ratio is nan"},
           {"kind: COSINE", "o.schedule.total_steps is 0; COSINE needs at least 1"},
           {"kind: WSD total_steps: 5", "decay_steps is 0; WSD needs at least 1"},
           {"kind: WSD total_steps: 5 warmup_steps: 2 decay_steps: 4",
            "decay_steps is 4; WSD has no more than 3 steps after warmup_steps 2 of total_steps "
            "5"}}) {
    const absl::Status status = CheckSchedule(ParseSchedule(c.schedule), "o.schedule");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.schedule;
    EXPECT_TRUE(absl::StrContains(status.message(), c.message)) << status;
  }
  EXPECT_TRUE(
      CheckSchedule(ParseSchedule("kind: WSD total_steps: 5 warmup_steps: 2 decay_steps: 3"), "")
          .ok());
}

}  // namespace
}  // namespace palimpsest
