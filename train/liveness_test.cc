#include "train/liveness.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Problem(const std::string& levels) {
  TrainConfig config;
  const absl::Status status = ParseTextProto(
      "length: 64 model { block {} block { cms { " + levels + " } } }", "test", &config);
  EXPECT_TRUE(status.ok()) << std::string(status.message());
  return std::string(CheckLevelsFire(config).message());
}

TEST(CheckLevelsFire, RefusesALevelNobodyWouldReadWritten) {
  EXPECT_EQ(Problem("level { period: 63 } level {} level { period: 1000 frozen: true }"), "");
  for (const std::string period : {"64", "1000"})
    EXPECT_THAT(Problem("level { period: 8 } level { period: " + period + " }"),
                AllOf(HasSubstr("model.block.1.cms.level.1.period: " + period + " leaves no token"),
                      HasSubstr("length is 64")));
}

TEST(LivenessWatch, SaysOnceThatALevelIsDead) {
  LivenessWatch watch;
  const auto see = [&](int64_t step, double a, double b) {
    return watch.See(step, {{"blocks.0.mlp.levels.0.update_ratio", a},
                            {"blocks.0.mlp.levels.0.updates", 0.0},
                            {"blocks.0.mlp.levels.2.update_ratio", b}});
  };
  for (int64_t step = 1; step <= 4; ++step) EXPECT_THAT(see(step, 0.1, 1e-9), IsEmpty());
  EXPECT_THAT(
      see(5, 0.1, 1e-9),
      ElementsAre(AllOf(HasSubstr("warning: blocks.0.mlp.levels.2 is dead"), HasSubstr("step 5"))));
  for (int64_t step = 6; step <= 20; ++step) EXPECT_THAT(see(step, 0.1, 0.0), IsEmpty());
}

TEST(LivenessWatch, ALevelThatMovesNowAndThenIsAlive) {
  LivenessWatch watch;
  for (int64_t step = 1; step <= 20; ++step)
    EXPECT_THAT(watch.See(step, {{"a.update_ratio", step % 4 == 0 ? 1e-6 : 0.0}}), IsEmpty());
}

TEST(LivenessWatch, SaysOnceThatAWriteIsTenTimesTheUsual) {
  LivenessWatch watch;
  for (int64_t step = 1; step <= 5; ++step)
    EXPECT_THAT(watch.See(step, {{"a.update_ratio", 0.02}}), IsEmpty());
  EXPECT_THAT(watch.See(6, {{"a.update_ratio", 0.19}}), IsEmpty());
  EXPECT_THAT(watch.See(7, {{"a.update_ratio", 3.0}}),
              ElementsAre(AllOf(HasSubstr("warning: a: at step 7"), HasSubstr("by 3 of"))));
  EXPECT_THAT(watch.See(8, {{"a.update_ratio", 300.0}}), IsEmpty());
}

}  // namespace
}  // namespace palimpsest
