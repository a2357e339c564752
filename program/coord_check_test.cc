#include "program/coord_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "train/file_testing.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

constexpr char kConfig[] = R"(
model {
  width: 64
  mup_base_width: 64
  init_std: 0.1
  zero_init_head: true
  block { attention { heads: 4 } }
  block { memory { rule { name: "gated_delta" } heads: 4 } }
}
optimizer { name: "adamw" lr: 0.003 }
batch: 4
length: 16
seed: 3
)";

TrainConfig Config(const std::string& more = "") {
  TrainConfig config;
  EXPECT_TRUE(MergeTextProto(kConfig + more, &config).ok());
  static const std::string* const kText = new std::string(ScratchDir() + "/text");
  std::string text;
  for (int i = 0; i < 40; ++i) text += "what is written once is read again, by its key alone. ";
  WriteFile(*kText, text);
  config.mutable_data()->mutable_bytes()->set_path(*kText);
  return config;
}

const CoordCheckOptions kOptions = {.widths = {64, 128, 256}, .steps = 4, .seeds = 3};

// The steepest after the first step.
double Steepest(const TrainConfig& config) {
  const auto all = CheckCoordinates(config, kOptions);
  EXPECT_TRUE(all.ok()) << all.status();
  double most = 0;
  for (const Coordinate& c : *all)
    if (c.step > 1) most = std::max(most, std::abs(Slope(kOptions.widths, c.size)));
  return most;
}

TEST(CoordCheck, WithMupSizesDoNotFollowTheWidth) { EXPECT_LT(Steepest(Config()), 0.15); }

TEST(CoordCheck, WithoutItTheyDo) {
  EXPECT_GT(Steepest(Config("model { mup_base_width: 0 }")), 0.3);
}

TEST(CoordCheck, PartsComeInTheirOrderStepByStep) {
  const auto all = CheckCoordinates(Config(), {.widths = {64, 128}, .steps = 3});
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 27u);
  const std::vector<std::string> parts = {"embedding", "blocks.0.mixer", "blocks.0.mlp",
                                          "blocks.0",  "blocks.1.mixer", "blocks.1.mlp",
                                          "blocks.1",  "norm",           "logits"};
  for (size_t i = 0; i < 27; ++i) {
    const Coordinate& c = (*all)[i];
    EXPECT_EQ(c.part, parts[i % 9]);
    EXPECT_EQ(c.step, static_cast<int64_t>(i / 9 + 1));
    ASSERT_EQ(c.size.size(), 2u);
    EXPECT_EQ(c.change.size(), c.step > 1 ? 2u : 0u);
    const bool zero = c.step == 1 && c.part == "logits";
    for (const double size : c.size) EXPECT_EQ(size == 0, zero) << c.part;
    for (const double change : c.change) EXPECT_GT(change, 0);
  }
  const std::vector<Plot> plots = PlotCoordinates("adamw", {64, 128}, *all);
  ASSERT_EQ(plots.size(), 3u);
  EXPECT_EQ(plots[2].title, "adamw, step 3");
  ASSERT_EQ(plots[2].series.size(), 9u);
  EXPECT_EQ(plots[2].series[8].name, "logits");
  EXPECT_EQ(plots[2].series[8].y, (*all)[26].size);
}

TEST(CoordCheck, SlopesAreOfLogarithms) {
  EXPECT_NEAR(Slope({1, 2, 4, 8}, {3, 3, 3, 3}), 0, 1e-12);
  EXPECT_NEAR(Slope({128, 256, 512}, {1, 2, 4}), 1, 1e-12);
  EXPECT_NEAR(Slope({128, 512}, {4, 2}), -0.5, 1e-12);
  EXPECT_FALSE(std::isfinite(Slope({1, 2}, {0, 1})));
}

TEST(CoordCheck, SaysWhatIsWrong) {
  const auto odd = CheckCoordinates(Config(), {.widths = {64, 100}});
  EXPECT_THAT(std::string(odd.status().message()), HasSubstr("do not grow to a whole number"));
  const auto diverged = CheckCoordinates(Config("optimizer { lr: 1e38 }"), kOptions);
  EXPECT_THAT(std::string(diverged.status().message()), HasSubstr("width 64, step "));
}

}  // namespace
}  // namespace palimpsest
