#include "nn/residual.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "conformance/gradients.h"
#include "memory_rules/rule.h"
#include "nn/compressor.h"
#include "nn/config.h"
#include "nn/config_check.h"
#include "nn/model.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kBatch = 2, kTime = 5, kChannels = 4, kWidth = 8;
constexpr char kAttention[] = "attention { heads: 2 }";

ModelConfig::Residual ConfigOf(const std::string& residual) {
  return ResidualOf(ParseModel("vocab_size: 11", absl::StrCat("residual { ", residual, " }")));
}

ParamInit Init() { return {RandomStream(1, "init"), DType::kF64, Device::kCpu, 0.3, 0.3, "part"}; }

Tensor Draw(const Shape& shape, const char* name) {
  return RandomNormal(shape, RandomStream(1, name), DType::kF64);
}

Compressor MakeCompressorOf(const std::string& kind) {
  return MakeCompressor(Init(), kWidth,
                        ConfigOf(absl::StrCat("channels: 4 conv: 3 compressor: ", kind)));
}

Tensor Read(const Compressor& compressor, const Tensor& stream) {
  NamedTensors before, after;
  compressor.InitState("part", kBatch, before);
  return compressor.Read(stream, "part", before, after);
}

TEST(Compressor, StartsAsTheMeanOfTheChannels) {
  const Tensor stream = Draw({kBatch, kTime, kChannels, kWidth}, "stream");
  for (const char* kind : {"TC", "CC", "CC_CONV"})
    EXPECT_LT(Distance(Read(MakeCompressorOf(kind), stream), Mean(stream, {2})), 1e-14) << kind;
}

// The sums of the paper, index by index.
TEST(Compressor, IsWhatThePaperWrites) {
  const Tensor stream = Draw({kBatch, kTime, kChannels, kWidth}, "stream");
  const std::vector<double> x = stream.ToVector(), r = Draw({kChannels}, "read").ToVector();
  const auto at = [&](int64_t b, int64_t t, int64_t j, int64_t i) {
    return t < 0 || j < 0 || j >= kChannels ? 0.0
                                            : x[((b * kTime + t) * kChannels + j) * kWidth + i];
  };
  const std::vector<double> over_time = Draw({kChannels * kWidth, 3}, "time").ToVector(),
                            over_channels = Draw({kChannels, kWidth}, "channels").ToVector();
  const std::map<std::string, std::function<double(int64_t, int64_t, int64_t, int64_t)>> terms = {
      {"TC",
       [&](int64_t b, int64_t t, int64_t j, int64_t i) {
         double sum = 0;
         for (int64_t s = 0; s < 3; ++s)
           sum += over_time[(j * kWidth + i) * 3 + 2 - s] * at(b, t - s, j, i);
         return r[j] * sum;
       }},
      {"CC", [&](int64_t b, int64_t t, int64_t j,
                 int64_t i) { return over_channels[j * kWidth + i] * at(b, t, j, i); }},
      {"CC_CONV", [&](int64_t b, int64_t t, int64_t j, int64_t i) {
         double sum = 0;
         for (int64_t q = 0; q < kChannels; ++q)
           sum += over_channels[q * kWidth + i] * at(b, t, j + q - (kChannels - 1) / 2, i);
         return r[j] * sum;
       }}};
  for (const auto& [kind, term] : terms) {
    std::vector<double> want;
    for (int64_t row = 0; row < kBatch * kTime * kWidth; ++row) {
      const int64_t b = row / (kTime * kWidth), t = row / kWidth % kTime, i = row % kWidth;
      want.push_back(0);
      for (int64_t j = 0; j < kChannels; ++j) want.back() += term(b, t, j, i);
    }
    Compressor compressor = MakeCompressorOf(kind);
    compressor.ForEachParam("part", [&](const std::string& path, Tensor& param) {
      param = Draw(param.shape(), path == "part.read"          ? "read"
                                  : path == "part.conv.weight" ? "time"
                                                               : "channels");
    });
    const Tensor expected = Tensor::FromVector({kBatch, kTime, kWidth}, want, DType::kF64);
    EXPECT_LT(Distance(Read(compressor, stream), expected), 1e-14) << kind;
  }
}

TEST(Expansion, StartsAsTheEmbedding) {
  const Tensor x = Draw({kBatch, kTime, kWidth}, "x");
  for (const char* expand : {"true", "false"}) {
    const auto config = ConfigOf(absl::StrCat("channels: 4 expand: ", expand));
    const Expansion expansion = MakeExpansion(Init(), kWidth, config);
    NamedTensors before, after;
    expansion.InitState("part", kBatch, before);
    const Tensor stream = expansion.Expand(x, "part", before, after);
    ASSERT_EQ(stream.shape(), (Shape{kBatch, kTime, kChannels, kWidth}));
    for (int64_t j = 0; j < kChannels; ++j)
      EXPECT_EQ(Slice(stream, 2, j, j + 1).ToVector(), x.ToVector());
  }
}

// The stream of a token is a memory, values by keys, of which layers are the time: a write is the
// step of the rule "delta".
TEST(DeltaResidual, IsTheDeltaRuleAlongTheDepth) {
  const auto rule = MakeMemoryRule({.name = "delta"});
  ASSERT_TRUE(rule.ok()) << rule.status();
  const Tensor stream = Draw({kBatch * kTime, kChannels, kWidth}, "stream");
  const Tensor h = Draw({kBatch * kTime, kWidth}, "h"), v = Draw({kBatch * kTime, kChannels}, "v");
  const Tensor beta = Sigmoid(Draw({kBatch * kTime}, "beta"));
  const Block block{.k = Reshape(L2Normalize(h, 1e-10), {kBatch * kTime, 1, kWidth}),
                    .v = Reshape(v, {kBatch * kTime, 1, kChannels}),
                    .gates = {{"beta", Reshape(beta, {kBatch * kTime, 1})}}};
  const State after = (*rule)->Step({stream}, {stream}, block);
  EXPECT_LT(Distance(DeltaResidual(stream, h, beta, v), after[0]), 1e-12);
}

int64_t Parameters(const std::string& residual) {
  return NumParams(*SmallModel(kAttention, absl::StrCat("residual { ", residual, " }")));
}

// A sublayer's gate d + 1 and value dv d + dv; a compressor for each block and the head.
TEST(Residual, HasThePapersParameters) {
  const int64_t plain = Parameters(""), d = kWidth, sublayers = 4, compressors = 3;
  const auto write = [&](int64_t dv) { return sublayers * (d + 1 + dv * d + dv); };
  const std::string delta = "kind: DELTA ";
  EXPECT_EQ(Parameters("kind: ADD"), plain);
  EXPECT_EQ(Parameters(delta) - plain, write(1));
  EXPECT_EQ(Parameters(delta + "beta_hidden: 3") - plain, write(1) + sublayers * (2 * d + 3));
  const int64_t with_tc = plain + write(4) + compressors * (d * 4 * 4 + 4);
  EXPECT_EQ(Parameters(delta + "channels: 4 compressor: TC"), with_tc);
  EXPECT_EQ(Parameters(delta + "channels: 4 compressor: TC expand: true"), with_tc + d * 4 * 4);
  EXPECT_EQ(Parameters(delta + "channels: 4") - plain, write(4) + compressors * d * 4);
  EXPECT_EQ(Parameters(delta + "channels: 4 compressor: CC_CONV") - plain,
            write(4) + compressors * (d * 4 + 4));
}

Tensor LogitsOf(const std::string& residual) {
  const auto model = SmallModel(kAttention, absl::StrCat("residual { ", residual, " }"));
  return model->Forward(RandomTokens(2, 7)).logits;
}

// Fresh channels are alike and read as their mean.
TEST(Residual, ThatAddsStartsTheSameWithAnyChannels) {
  EXPECT_LT(Distance(LogitsOf("channels: 3"), LogitsOf("")), 1e-13);
  EXPECT_GT(Distance(LogitsOf("kind: DELTA"), LogitsOf("")), 0.1);
}

TEST(Residual, OfABlockGoesBeforeTheModels) {
  const std::string more = " block { attention { heads: 2 } residual { ";
  const auto model =
      SmallModel(kAttention, "residual { kind: DELTA beta_init: 1.5 }" + more +
                                 "beta_init: 0.5 } }" + more + "kind: ADD } }" + "layers: 3");
  const NamedTensors params = Params(*model);
  EXPECT_NEAR(params.at("blocks.0.mixer_residual.beta.bias").Item(), std::log(3.0), 1e-12);
  EXPECT_NEAR(params.at("blocks.1.mlp_residual.beta.bias").Item(), -std::log(3.0), 1e-12);
  EXPECT_FALSE(params.contains("blocks.2.mixer_residual.beta.bias"));
}

TEST(Residual, TellsHowItWrites) {
  const auto model = SmallModel(kAttention, "residual { kind: DELTA beta_init: 1.5 }");
  std::map<std::string, double> told;
  model->Forward(RandomTokens(2, 7), {.statistics = [&](const std::string& path, double value) {
                   told[path] = value;
                 }});
  const std::string at = "blocks.1.mlp_residual.";
  EXPECT_NEAR(told.at(at + "beta.mean"), 1.5, 0.1);
  EXPECT_LT(told.at(at + "beta.min"), told.at(at + "beta.mean"));
  EXPECT_GT(told.at(at + "beta.max"), told.at(at + "beta.mean"));
  EXPECT_EQ(told.at(at + "reflections"), 1.0);
  EXPECT_DOUBLE_EQ(told.at(at + "eigenvalue.min"), 1.0 - told.at(at + "beta.max"));
  EXPECT_DOUBLE_EQ(told.at(at + "eigenvalue.mean"), 1.0 - told.at(at + "beta.mean"));
  EXPECT_GT(told.at("blocks.0.stream_norm"), 0.0);
}

// What is written down can be read again, and a block's own fields stay the only ones it has.
TEST(Residual, IsResolvedOnceAndForAll) {
  const auto once = ResolveModelConfig(ParseModel(
      "vocab_size: 11 width: 8 residual { kind: DELTA channels: 4 beta_init: 0.5 } block "
      "{ attention { heads: 2 } residual { compressor: TC } }"));
  ASSERT_TRUE(once.ok()) << once.status();
  EXPECT_EQ(once->residual().compressor(), ModelConfig::Residual::CC);
  EXPECT_EQ(once->residual().v_scale(), 4.0);
  EXPECT_EQ(once->block(0).residual().ShortDebugString(), "compressor: TC");
  const auto twice = ResolveModelConfig(*once);
  ASSERT_TRUE(twice.ok()) << twice.status();
  EXPECT_EQ(twice->DebugString(), once->DebugString());
  EXPECT_EQ(ResidualOf(*once, once->block(0)).beta_init(), 0.5);
}

// No field has a default for configs as they are written down to fill in.
TEST(Residual, HasNoDefaultsThatWouldOverride) {
  const auto* descriptor = ModelConfig::Residual::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i)
    EXPECT_FALSE(descriptor->field(i)->has_default_value()) << descriptor->field(i)->name();
}

TEST(Residual, RefusesWhatCannotBe) {
  const auto error = [](const std::string& more) {
    const ModelConfig config =
        ParseModel("vocab_size: 11 width: 8 block { attention { heads: 2 } }", more);
    return std::string(LanguageModel::Create(config, RandomStream(1, "init")).status().message());
  };
  EXPECT_EQ(error("residual { kind: DELTA channels: 4 }"), "");
  EXPECT_THAT(error("residual { channels: 0 }"), HasSubstr("model.residual.channels: 0"));
  EXPECT_THAT(error("residual { channels: 2 compressor: NONE }"),
              HasSubstr("model.residual.compressor: NONE does not read 2 channels"));
  EXPECT_THAT(error("residual { beta_init: 2 }"),
              HasSubstr("model.residual.beta_init: 2 is not between 0 and 2"));
  EXPECT_THAT(error("residual { v_scale: 0 }"), HasSubstr("model.residual.v_scale: 0"));
  EXPECT_THAT(error("block { residual { channels: 2 } }"),
              HasSubstr("model.block.1.residual.channels: 2 is not the model's, 1"));
  EXPECT_THAT(error("block { residual { expand: true } }"), HasSubstr("model.residual.expand"));
  EXPECT_THAT(error("block { residual { conv: 0 } }"), HasSubstr("model.block.1.residual.conv: 0"));
}

}  // namespace
}  // namespace palimpsest
