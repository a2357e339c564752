#include "nn/cms.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/parallel.h"
#include "core/tape.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/config.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

constexpr int64_t kWidth = 6;
const char kMlp[] = " mlp { kind: GELU hidden: 5 } ";

std::string Level(int64_t period, const std::string& more = "") {
  return absl::StrCat("level { period: ", period, " rate: 0.005 ", kMlp, more, " } ");
}

// What the tests of every system are run for.
struct CmsCase {
  std::string name, text;
};
void PrintTo(const CmsCase& cms, std::ostream* os) { *os << cms.name; }
std::vector<CmsCase> CmsCases() {
  const std::string static_level = absl::StrCat("level { ", kMlp, " } ");
  return {
      {"one", Level(4)},
      {"sequential", Level(3) + Level(5) + static_level},
      {"swiglu", "level { period: 4 mlp { hidden: 5 } }" + static_level},
      {"nested", "order: NESTED " + Level(2) + Level(6)},
      {"independent", "order: INDEPENDENT " + Level(3) + Level(4) + static_level},
      {"literal", "residual: false " + Level(3) + Level(4)},
      {"dot_mean", "objective: DOT reduce: MEAN project_keys: true " + Level(3)},
      {"bounded", "max_update: 0.01 " + Level(3)},
      {"forgetting", Level(3, "keep: 0.6") + Level(4, "keep: 0")},
      {"inputs_as_values", "project_values: false " + Level(4)},
      {"data_dependent_rates", Level(3, "rate_per_channel: true rate_data_dependent: true")},
  };
}

class TestCms {
 public:
  explicit TestCms(const std::string& text, DType dtype = DType::kF64) {
    auto resolved = ResolveModelConfig(ParseModel(
        absl::StrCat("vocab_size: 11 width: ", kWidth, " block { cms { ", text, " } }")));
    PALIMPSEST_CHECK(resolved.ok()) << resolved.status().ToString();
    cms_ = MakeCms({RandomStream(1, "init"), dtype, Device::kCpu, 0.4, 0.4, "mlp"}, *resolved,
                   resolved->block(0).cms());
  }
  NamedTensors Params() const {
    NamedTensors params;
    cms_->ForEachParam(
        "", [&](const std::string& path, Tensor& param) { params[path.substr(1)] = param; });
    return params;
  }
  void Set(const NamedTensors& params) {
    cms_->ForEachParam(
        "", [&](const std::string& path, Tensor& param) { param = params.at(path.substr(1)); });
  }
  MixerResult Run(const Tensor& x, const std::vector<int64_t>& lengths = {},
                  const StatisticSink& statistics = {}) const {
    MixerResult all{{}, cms_->InitState(x.dim(0))};
    Tensors ys;
    int64_t position = 0;
    for (int64_t n : lengths.empty() ? std::vector<int64_t>{x.dim(1)} : lengths) {
      MixerResult r =
          cms_->Forward({Slice(x, 1, position, position + n), all.state, position, statistics});
      ys.push_back(r.y);
      all.state = r.state;
      position += n;
    }
    return {Concat(ys, 1), all.state};
  }
  const Mixer& mixer() const { return *cms_; }

 private:
  std::unique_ptr<Mixer> cms_;
};

Tensor Tokens(int64_t batch, int64_t time, const char* name = "x", DType dtype = DType::kF64) {
  return RandomNormal({batch, time, kWidth}, RandomStream(4, name), dtype);
}

class EveryCms : public testing::TestWithParam<CmsCase> {
 protected:
  const TestCms cms_{GetParam().text};
};
INSTANTIATE_TEST_SUITE_P(Systems, EveryCms, testing::ValuesIn(CmsCases()),
                         [](const auto& info) { return info.param.name; });

// Token by token is the definition.
TEST_P(EveryCms, IsTheSameHoweverTheStreamIsSplit) {
  const Tensor x = Tokens(2, 13);
  const MixerResult whole = cms_.Run(x);
  const std::vector<std::vector<int64_t>> splits = {
      std::vector<int64_t>(13, 1), {4, 4, 5}, {1, 12}, {5, 1, 7}, {2, 2, 0, 9}};
  for (const auto& lengths : splits) {
    const MixerResult pieces = cms_.Run(x, lengths);
    EXPECT_LT(MaxDifference(whole.y, pieces.y), 1e-12);
    ASSERT_EQ(whole.state.size(), pieces.state.size());
    for (const auto& [name, tensor] : whole.state)
      EXPECT_LT(MaxDifference(tensor, pieces.state.at(name)), 1e-12) << name;
  }
}

TEST_P(EveryCms, SeesNoLaterToken) {
  const Tensor x = Tokens(2, 13);
  const Tensor changed = Concat({Slice(x, 1, 0, 7), Tokens(2, 6, "other")}, 1);
  const Tensor a = cms_.Run(x).y, b = cms_.Run(changed).y;
  EXPECT_EQ(Slice(a, 1, 0, 7).ToVector(), Slice(b, 1, 0, 7).ToVector());
  EXPECT_NE(Slice(a, 1, 7, 8).ToVector(), Slice(b, 1, 7, 8).ToVector());
}

TEST_P(EveryCms, SequencesOfABatchAreIndependent) {
  const Tensor x = Tokens(2, 9);
  const Tensor both = cms_.Run(x).y;
  for (int64_t b = 0; b < 2; ++b)
    EXPECT_LT(MaxDifference(Slice(both, 0, b, b + 1), cms_.Run(Slice(x, 0, b, b + 1)).y), 1e-12);
}

TEST_P(EveryCms, GradientIsThatOfTheOutput) {
  TestCms cms(GetParam().text);
  const Tensor x = Tokens(2, 10), dy = Tokens(2, 10, "dy");
  const NamedTensors params = cms.Params();
  const auto loss = [&] { return Sum(Mul(cms.Run(x, {3, 7}).y, dy)); };
  Tape tape;
  tape.Watch(params);
  const NamedTensors grads = tape.Gradient(loss(), params);
  double along = 0.0;
  NamedTensors directions;
  for (const auto& [path, grad] : grads) {
    EXPECT_GT(Norm(grad).Item(), 1e-6) << path << " has no gradient";
    directions[path] = RandomNormal(grad.shape(), RandomStream(5, path), grad.dtype());
    along += Sum(Mul(grad, directions[path])).Item();
  }
  const auto at = [&](double step) {
    NamedTensors moved;
    for (const auto& [path, param] : params)
      moved[path] = Add(param, Mul(directions.at(path), step));
    cms.Set(moved);
    return loss().Item();
  };
  const double quotient = (at(1e-6) - at(-1e-6)) / 2e-6;
  EXPECT_NEAR(along, quotient, 1e-6 * (1.0 + std::abs(quotient)));
}

TEST_P(EveryCms, HasTheSameBitsWithAnyNumberOfThreads) {
  const Tensor x = Tokens(2, 9);
  const int threads = NumThreads();
  SetNumThreads(1);
  const MixerResult one = cms_.Run(x);
  SetNumThreads(3);
  const MixerResult three = cms_.Run(x);
  SetNumThreads(threads);
  EXPECT_EQ(one.y.ToVector(), three.y.ToVector());
  for (const auto& [name, tensor] : one.state)
    EXPECT_EQ(tensor.ToVector(), three.state.at(name).ToVector()) << name;
}

TEST_P(EveryCms, RunsInF32AndBf16AndWithoutTokens) {
  const Tensor reference = cms_.Run(Tokens(2, 9)).y;
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF32, 1e-4), std::pair(DType::kBf16, 0.3)}) {
    const TestCms cms(GetParam().text, dtype);
    const Tensor y = cms.Run(Tokens(2, 9, "x", dtype)).y;
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_LT(MaxDifference(Cast(y, DType::kF64), reference), tolerance);
  }
  EXPECT_EQ(cms_.Run(Tokens(2, 0)).y.shape(), (Shape{2, 0, kWidth}));
}

TEST_P(EveryCms, CountsItsState) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : cms_.Run(Tokens(1, 7)).state) bytes += tensor.bytes();
  EXPECT_EQ(cms_.mixer().StateBytes(7), bytes);
}

// After which tokens each level is written, or back at its first weights.
TEST(Cms, EachLevelIsWrittenAtItsOwnPace) {
  const std::vector<std::vector<int64_t>> cadence = {{2, 4, 6, 8, 10, 12}, {6, 12}};
  for (const std::string order : {"SEQUENTIAL", "NESTED", "INDEPENDENT"}) {
    const TestCms cms("order: " + order + " " + Level(2) + Level(6));
    const NamedTensors first = cms.Run(Tokens(1, 0)).state;
    const Tensor x = Tokens(1, 13);
    NamedTensors before = first;
    for (int64_t t = 1; t <= 13; ++t) {
      const NamedTensors after = cms.Run(Slice(x, 1, 0, t)).state;
      for (size_t level = 0; level < 2; ++level) {
        const std::string name = absl::StrCat("levels.", level, ".W1");
        const bool written = before.at(name).ToVector() != after.at(name).ToVector();
        EXPECT_EQ(written, testing::Value(t, testing::AnyOfArray(cadence[level])))
            << order << ", level " << level << ", token " << t;
        // Only the faster of nested levels starts anew, where the slower one's chunk ends.
        const bool afresh = after.at(name).ToVector() == first.at(name).ToVector();
        EXPECT_EQ(afresh,
                  t < (level == 0 ? 2 : 6) || (order == "NESTED" && level == 0 && t % 6 < 2))
            << order << ", level " << level << ", token " << t;
      }
      before = after;
    }
    EXPECT_EQ(before.at("levels.0.updates").Item(), 6.0) << order;
    EXPECT_EQ(before.at("levels.1.updates").Item(), 2.0) << order;
  }
}

// W_0 + keep (W_1 - W_0) + the second write, which is measured at W_1 whatever is kept of it.
TEST(Cms, WhatIsNotKeptIsForgottenTowardsTheFirstWeights) {
  const Tensor x = Tokens(2, 8);
  const auto after = [&](int64_t tokens, const char* keep) {
    const TestCms cms("max_update: 0 " + Level(4, keep));
    return cms.Run(Slice(x, 1, 0, tokens)).state.at("levels.0.W1");
  };
  const Tensor first = after(0, ""), written = Sub(after(4, ""), first);
  EXPECT_EQ(after(4, "keep: 0.3").ToVector(), after(4, "").ToVector());
  EXPECT_LT(MaxDifference(after(8, "keep: 0.3"), Sub(after(8, ""), Mul(written, 0.7))), 1e-14);
}

TEST(Cms, OneStaticLevelIsTheMlpOfATransformer) {
  const std::string attention = "attention { heads: 2 } ";
  const std::string head = "vocab_size: 11 width: 8 layers: 2 block { " + attention;
  auto mlp = LanguageModel::Create(ParseModel(head + "mlp { hidden: 12 } }"),
                                   RandomStream(1, "init"), DType::kF64),
       cms = LanguageModel::Create(ParseModel(head + "cms { level { mlp { hidden: 12 } } } }"),
                                   RandomStream(2, "init"), DType::kF64);
  ASSERT_TRUE(mlp.ok() && cms.ok());
  const NamedTensors params = Params(**mlp);
  (*cms)->ForEachParam([&](const std::string& path, Tensor& param) {
    std::string name = path;
    if (const size_t at = name.find(".levels.0"); at != std::string::npos) name.erase(at, 9);
    param = params.at(name);
  });
  const Tensor tokens = RandomTokens(2, 9);
  EXPECT_EQ((*mlp)->Forward(tokens).logits.ToVector(), (*cms)->Forward(tokens).logits.ToVector());
}

TEST(Cms, WithoutARateALevelIsStatic) {
  const TestCms fast("level { period: 3 rate: 1e-300 mlp { hidden: 5 } }");
  TestCms fixed("level { mlp { hidden: 5 } }");
  fixed.Set(fast.Params());
  const Tensor x = Tokens(2, 10);
  EXPECT_LT(MaxDifference(fast.Run(x).y, fixed.Run(x).y), 1e-14);
}

TEST(Cms, OrdersAreMadeOfTheSameLevels) {
  const std::string levels = absl::StrCat("level { ", kMlp, " } level { ", kMlp, " } ");
  const Tensor x = Tokens(2, 3);
  const auto alone = [&](const TestCms& cms, int level, const Tensor& in) {
    TestCms one(absl::StrCat("level { ", kMlp, " }"));
    NamedTensors params;
    for (const auto& [path, param] : one.Params())
      params[path] = cms.Params().at(absl::StrCat("levels.", level, path.substr(8)));
    one.Set(params);
    return one.Run(in).y;
  };
  const TestCms chain(levels), literal("residual: false " + levels),
      independent("order: INDEPENDENT " + levels);
  const auto norm = [](const Tensor& h) {
    return RmsNorm(h, Tensor::Full({kWidth}, 1.0, DType::kF64), 1e-6);
  };
  const Tensor first = alone(chain, 0, x);
  EXPECT_LT(MaxDifference(chain.Run(x).y, Add(first, alone(chain, 1, norm(Add(x, first))))), 1e-12);
  EXPECT_LT(MaxDifference(literal.Run(x).y, alone(literal, 1, norm(alone(literal, 0, x)))), 1e-12);
  EXPECT_LT(MaxDifference(independent.Run(x).y,
                          Mul(Add(alone(independent, 0, x), alone(independent, 1, x)), 0.5)),
            1e-12);
}

TEST(Cms, AFrozenLevelIsReadAsItIsAndLeftAsItIs) {
  const TestCms learning(Level(3));
  const Tensor x = Tokens(2, 9);
  const NamedTensors learnt = learning.Run(x).state;
  TestCms frozen(Level(3, "frozen: true"));
  EXPECT_FALSE(frozen.Params().contains("levels.0.rate.bias"));
  frozen.Set(learning.Params());
  const MixerResult r = frozen.mixer().Forward({x, learnt, 9});
  for (const auto& [name, tensor] : learnt)
    EXPECT_EQ(tensor.ToVector(), r.state.at(name).ToVector()) << name;
  // Those 9 tokens left the learning level at the end of a chunk.
  const Tensor next = Slice(x, 1, 0, 3);
  EXPECT_LT(MaxDifference(learning.mixer().Forward({next, learnt, 9}).y, Slice(r.y, 1, 0, 3)),
            1e-14);
}

TEST(Cms, AChunkThatIsNotFullIsCarriedOrFlushed) {
  const Tensor x = Tokens(1, 3);
  for (const std::string reduce : {"SUM", "MEAN"}) {
    const std::string text = "max_update: 0 reduce: " + reduce + " ";
    const NamedTensors carried = TestCms(text + Level(5)).Run(x).state,
                       flushed = TestCms(text + "flush: true " + Level(5)).Run(x).state;
    const Tensor first = TestCms(text + Level(5)).Run(Tokens(1, 0)).state.at("levels.0.W1");
    EXPECT_EQ(carried.at("levels.0.W1").ToVector(), first.ToVector());
    EXPECT_EQ(carried.at("levels.0.tokens").Item(), 3.0);
    EXPECT_EQ(flushed.at("levels.0.tokens").Item(), 0.0);
    EXPECT_EQ(flushed.at("levels.0.updates").Item(), 1.0);
    EXPECT_EQ(Norm(flushed.at("levels.0.S1")).Item(), 0.0);
    const double share = reduce == "MEAN" ? 1.0 / 3.0 : 1.0;
    EXPECT_LT(
        MaxDifference(flushed.at("levels.0.W1"), Add(first, Mul(carried.at("levels.0.S1"), share))),
        1e-14);
  }
}

// Of a single write, first-order gradients are those of values and rates, and not of the weights.
TEST(Cms, FirstOrderTakesInnerGradientsForConstantsOfTheWeights) {
  const TestCms through(Level(4)), first("writes: FIRST_ORDER " + Level(4));
  const Tensor x = Tokens(2, 8);
  const auto gradient = [&](const TestCms& cms) {
    const NamedTensors params = cms.Params();
    Tape tape;
    tape.Watch(params);
    return tape.Gradient(Sum(cms.Run(x).y), params);
  };
  EXPECT_EQ(through.Run(x).y.ToVector(), first.Run(x).y.ToVector());
  const NamedTensors a = gradient(through), b = gradient(first);
  EXPECT_LT(MaxDifference(a.at("levels.0.v.weight"), b.at("levels.0.v.weight")), 1e-12);
  EXPECT_LT(MaxDifference(a.at("levels.0.rate.bias"), b.at("levels.0.rate.bias")), 1e-12);
  EXPECT_GT(MaxDifference(a.at("levels.0.up.weight"), b.at("levels.0.up.weight")), 1e-3);
}

TEST(Cms, SaysHowItsLevelsFare) {
  std::map<std::string, double> seen;
  const TestCms cms(Level(3) + Level(7, "frozen: true") + absl::StrCat("level { ", kMlp, " }"));
  const Tensor x = Tokens(1, 3);
  const NamedTensors
      first = cms.Run(Tokens(1, 0)).state,
      after =
          cms.Run(x, {}, [&](const std::string&path, double value) { seen[path] = value; }).state;
  double moved = 0.0, size = 0.0;
  for (const char* name : {"levels.0.W1", "levels.0.W2"}) {
    moved += std::pow(Norm(Sub(after.at(name), first.at(name))).Item(), 2);
    size += std::pow(Norm(first.at(name)).Item(), 2);
  }
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen.at("levels.0.updates"), 1.0);
  EXPECT_NEAR(seen.at("levels.0.rate"), 0.005, 1e-12);
  EXPECT_NEAR(seen.at("levels.0.update_ratio"), std::sqrt(moved / size), 1e-12);
}

}  // namespace
}  // namespace palimpsest
