#include "nn/mup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "nn/model.h"
#include "nn/testing.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

constexpr char kModel[] =
    "vocab_size: 50 width: 32 mup_base_width: 32 init_std: 0.1 "
    "block { attention { heads: 2 conv: 3 } mlp { kind: SWIGLU } } "
    "block { memory { rule { name: 'titans_mlp' } heads: 4 value_heads: 8 } "
    "        mlp { kind: GELU hidden: 64 } } "
    "block { titans { kind: MAG attention { heads: 2 } memory { heads: 2 } } }";

double Deviation(const Tensor& x) {
  double sum = 0;
  for (const double v : x.ToVector()) sum += v * v;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

std::unique_ptr<LanguageModel> ModelAt(int64_t width, const std::string& more = "") {
  const auto config = AtWidth(ParseModel(kModel, more), width);
  EXPECT_TRUE(config.ok()) << config.status();
  auto model = LanguageModel::Create(*config, RandomStream(1, "mup"), DType::kF64);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

TEST(AtWidth, HeadsGrowAndStayAsLong) {
  const ModelConfig config = *AtWidth(ParseModel(kModel), 128);
  EXPECT_EQ(config.width(), 128);
  EXPECT_EQ(config.block(0).attention().heads(), 8);
  EXPECT_EQ(config.block(0).attention().kv_heads(), 8);
  EXPECT_EQ(config.block(0).attention().key_dim(), 16);
  EXPECT_EQ(config.block(0).mlp().hidden(), 352);
  EXPECT_EQ(config.block(1).memory().heads(), 16);
  EXPECT_EQ(config.block(1).memory().value_heads(), 32);
  EXPECT_EQ(config.block(1).memory().key_dim(), 8);
  EXPECT_EQ(config.block(1).mlp().hidden(), 256);
  EXPECT_DOUBLE_EQ(WidthMultiple(config), 4);
  EXPECT_THAT(std::string(AtWidth(ParseModel(kModel), 40).status().message()),
              HasSubstr("model.width 40: the 2 heads of width 32 do not grow to a whole number"));
}

TEST(AtWidth, LevelsGrowAsMlpsDo) {
  const ModelConfig config = *AtWidth(
      ParseModel("vocab_size: 50 width: 32 block { cms { level { period: 4 mlp { hidden: 48 } } "
                 "level { mlp { kind: GELU } } } }"),
      64);
  EXPECT_EQ(config.block(0).cms().level(0).mlp().hidden(), 96);
  EXPECT_EQ(config.block(0).cms().level(1).mlp().hidden(), 256);
}

// What grows with the width on both sides is hidden, and nothing else is: the roles against the
// parameters' shapes at two widths.
void ExpectRoles(const std::string& more, int outputs) {
  const auto narrow = ModelAt(32, more), wide = ModelAt(64, more);
  const NamedTensors at32 = Params(*narrow), at64 = Params(*wide);
  ASSERT_EQ(at32.size(), at64.size());
  std::map<ParamRole, int> seen;
  for (const auto& [path, x] : at32) {
    const Tensor& y = at64.at(path);
    int growing = 0;
    for (int axis = 0; axis < x.rank(); ++axis) growing += y.dim(axis) > x.dim(axis);
    const ParamRole role = RoleOf(path, x);
    EXPECT_EQ(growing == 2, role == ParamRole::kHidden) << path;
    EXPECT_GE(growing, role == ParamRole::kVector ? 0 : 1) << path;
    EXPECT_EQ(RoleOf(path, y), role) << path;
    ++seen[role];
  }
  EXPECT_EQ(seen[ParamRole::kInput], 3);
  EXPECT_EQ(seen[ParamRole::kOutput], outputs);
  EXPECT_GT(seen[ParamRole::kHidden], 10);
  EXPECT_GT(seen[ParamRole::kVector], 10);
}

TEST(RoleOf, IsWhatGrowsWithTheWidth) {
  ExpectRoles("", 1);
  ExpectRoles("block { self_modifying { heads: 4 eta: STATIC } }", 1);
  // The head, and beta and v of six sublayers.
  ExpectRoles("residual { kind: DELTA channels: 4 expand: true }", 13);
  ExpectRoles("residual { kind: DELTA channels: 2 compressor: TC beta_hidden: 16 }", 13);
  ExpectRoles("residual { kind: DELTA channels: 2 compressor: CC_CONV }", 13);
}

TEST(Mup, FirstValuesAreThoseOfTheBaseAndShrinkWithTheWidth) {
  const auto narrow = ModelAt(32), wide = ModelAt(512);
  const NamedTensors at32 = Params(*narrow), at512 = Params(*wide);
  for (const auto& [path, x] : at32) {
    const ParamRole role = RoleOf(path, x);
    if (role == ParamRole::kVector) continue;
    const double want = role == ParamRole::kHidden ? 4 : 1;
    EXPECT_NEAR(Deviation(x) / Deviation(at512.at(path)) / want, 1, 0.15) << path;
  }
  const auto off = ModelAt(32, "mup_base_width: 0");
  for (const auto& [path, x] : Params(*off)) EXPECT_EQ(x.ToVector(), at32.at(path).ToVector());
}

TEST(Mup, LogitsAreDividedByTheMultiple) {
  const auto model = ModelAt(64);
  std::map<std::string, Tensor> seen;
  const Tensor tokens = RandomTokens(2, 5);
  const Tensor logits =
      model
          ->Forward(tokens,
                    {.observe = [&](const std::string& path, const Tensor& x) { seen[path] = x; }})
          .logits;
  EXPECT_EQ(seen.at("logits").ToVector(), logits.ToVector());
  NamedTensors params = Params(*model);
  const std::vector<double> x = seen.at("norm").ToVector(), w = params.at("head.weight").ToVector();
  double want = 0;
  for (size_t i = 0; i < 64; ++i) want += x[i] * w[i] / 2;
  EXPECT_NEAR(logits.ToVector()[0], want, 1e-12);
  std::vector<std::string> paths;
  for (const auto& [path, value] : seen) paths.push_back(path);
  EXPECT_THAT(paths, testing::UnorderedElementsAre("embedding", "blocks.0.mixer", "blocks.0.mlp",
                                                   "blocks.0", "blocks.1.mixer", "blocks.1.mlp",
                                                   "blocks.1", "blocks.2.mixer", "blocks.2.mlp",
                                                   "blocks.2", "norm", "logits"));
}

}  // namespace
}  // namespace palimpsest
