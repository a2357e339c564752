#include "train/generate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ops/layout.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

TEST(Sample, FollowsTheDistribution) {
  const std::vector<double> logits = {0, std::log(3.0), -100};
  EXPECT_EQ(Sample(logits, 0, 0, 0.99), 1);
  EXPECT_EQ(Sample(logits, 1, 0, 0.74), 1);
  EXPECT_EQ(Sample(logits, 1, 0, 0.76), 0);
  EXPECT_EQ(Sample(logits, 1, 1, 0.999), 1);
  EXPECT_EQ(Sample(logits, 1e9, 0, 0.9), 2);
}

std::string Text(const LanguageModel& model, const std::string& prompt,
                 const GenerateOptions& options) {
  std::string text;
  Generate(model, prompt, options, [&](char c) {
    text.push_back(c);
    return true;
  });
  return text;
}

class GenerateTest : public testing::TestWithParam<const char*> {
 protected:
  GenerateTest() {
    ModelConfig config;
    const absl::Status status = ParseTextProto(GetParam(), "test", &config);
    EXPECT_TRUE(status.ok()) << std::string(status.message());
    config.set_vocab_size(256);
    config.set_width(16);
    config.set_init_std(0.5);
    model_ = *LanguageModel::Create(config, RandomStream(0, "init"), DType::kF64);
  }
  std::unique_ptr<LanguageModel> model_;
};

// Carrying the state gives what reading everything again for each byte would.
TEST_P(GenerateTest, CarriedStateIsRecomputation) {
  const GenerateOptions options = {.tokens = 40, .temperature = 0};
  std::string expected = "To be";
  for (int i = 0; i < 40; ++i) {
    std::vector<int32_t> tokens;
    for (char c : expected) tokens.push_back(static_cast<unsigned char>(c));
    const int64_t length = static_cast<int64_t>(tokens.size());
    const Tensor logits = model_->Forward(Tensor::From<int32_t>({1, length}, tokens)).logits;
    expected.push_back(
        static_cast<char>(Sample(Slice(logits, 1, length - 1, length).ToVector(), 0, 0, 0)));
  }
  EXPECT_EQ("To be" + Text(*model_, "To be", options), expected);
}

TEST_P(GenerateTest, TheSeedDecides) {
  const GenerateOptions options = {.tokens = 20, .temperature = 1};
  GenerateOptions other = options;
  other.seed = 1;
  EXPECT_EQ(Text(*model_, "a", options), Text(*model_, "a", options));
  EXPECT_NE(Text(*model_, "a", options), Text(*model_, "a", other));
}

INSTANTIATE_TEST_SUITE_P(
    All, GenerateTest,
    testing::Values("block { attention { heads: 2 } }",
                    "block { memory { rule { name: 'gated_delta' } heads: 2 } }",
                    "block { memory { rule { name: 'titans_mlp' } heads: 2 } }"));

}  // namespace
}  // namespace palimpsest
