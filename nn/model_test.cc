#include "nn/model.h"

#include <cmath>
#include <string>
#include <vector>

#include "core/tape.h"
#include "gtest/gtest.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

class EveryMixer : public testing::TestWithParam<MixerCase> {
 protected:
  std::unique_ptr<LanguageModel> Model() const {
    auto model = SmallModel(GetParam().block);
    Jitter(*model);
    return model;
  }
};
INSTANTIATE_TEST_SUITE_P(Mixers, EveryMixer, testing::ValuesIn(MixerCases()),
                         [](const auto& info) { return info.param.name; });

// The logits of `tokens` given in pieces of these lengths, and the state after.
ForwardResult InPieces(const LanguageModel& model, const Tensor& tokens,
                       const std::vector<int64_t>& lengths) {
  ForwardOptions options;
  Tensors logits;
  int64_t begin = 0;
  for (int64_t length : lengths) {
    ForwardResult r = model.Forward(Slice(tokens, 1, begin, begin + length), options);
    logits.push_back(r.logits);
    options.state = r.state;
    begin += length;
  }
  return {Concat(logits, 1), options.state};
}

Tensor Loss(const LanguageModel& model, const Tensor& tokens, const ForwardOptions& options = {}) {
  const int64_t time = tokens.dim(1) - 1;
  return CrossEntropy(model.Forward(Slice(tokens, 1, 0, time), options).logits,
                      Slice(tokens, 1, 1, time + 1));
}

TEST_P(EveryMixer, GivesLogitsAndState) {
  const auto model = Model();
  for (int64_t time : {0, 1, 9}) {
    const ForwardResult r = model->Forward(RandomTokens(2, time));
    EXPECT_EQ(r.logits.shape(), (Shape{2, time, 11}));
    EXPECT_TRUE(AllFinite(r.logits));
    EXPECT_EQ(r.state.at("position").Item(), time);
    const NamedTensors fresh = model->InitState(2);
    EXPECT_EQ(fresh.size(), r.state.size());
    for (const auto& [name, tensor] : r.state) EXPECT_TRUE(fresh.contains(name)) << name;
  }
}

TEST_P(EveryMixer, SeesNoLaterToken) {
  const auto model = Model();
  std::vector<double> changed = RandomTokens(2, 9).ToVector();
  changed[6] = static_cast<double>((static_cast<int>(changed[6]) + 1) % 11);
  const Tensor a = model->Forward(RandomTokens(2, 9)).logits;
  const Tensor b = model->Forward(Tensor::FromVector({2, 9}, changed, DType::kI32)).logits;
  EXPECT_EQ(Slice(a, 1, 0, 6).ToVector(), Slice(b, 1, 0, 6).ToVector());
  EXPECT_NE(Slice(a, 1, 6, 7).ToVector(), Slice(b, 1, 6, 7).ToVector());
}

TEST_P(EveryMixer, IsTheSameHoweverTheStreamIsSplit) {
  const auto model = Model();
  const Tensor tokens = RandomTokens(2, 13);
  const ForwardResult whole = model->Forward(tokens);
  const std::vector<std::vector<int64_t>> splits = {
      std::vector<int64_t>(13, 1), {4, 4, 5}, {1, 12}, {5, 1, 7}, {12, 1}, {2, 2, 0, 9}};
  for (const auto& lengths : splits) {
    const ForwardResult pieces = InPieces(*model, tokens, lengths);
    EXPECT_LT(MaxDifference(whole.logits, pieces.logits), 1e-9);
    for (const auto& [name, tensor] : whole.state) {
      const double scale = 1.0 + Max(Abs(Cast(tensor, DType::kF64))).Item();
      EXPECT_LT(MaxDifference(tensor, pieces.state.at(name)), 1e-9 * scale) << name;
    }
  }
}

TEST_P(EveryMixer, SequencesOfABatchAreIndependent) {
  const auto model = Model();
  const Tensor tokens = RandomTokens(2, 9);
  const Tensor both = model->Forward(tokens).logits;
  for (int64_t b = 0; b < 2; ++b) {
    const Tensor alone = model->Forward(Slice(tokens, 0, b, b + 1)).logits;
    EXPECT_LT(MaxDifference(Slice(both, 0, b, b + 1), alone), 1e-10);
  }
}

// <gradient, direction> against the difference quotient along a random direction of all parameters.
TEST_P(EveryMixer, GradientIsThatOfTheLoss) {
  const auto model = Model();
  const Tensor tokens = RandomTokens(2, 10);
  const NamedTensors params = Params(*model);
  Tape tape;
  tape.Watch(params);
  const NamedTensors grads = tape.Gradient(Loss(*model, tokens), params);

  double along = 0.0;
  NamedTensors directions;
  for (const auto& [path, grad] : grads) {
    EXPECT_GT(Norm(grad).Item(), 0.0) << path << " has no gradient";
    directions[path] = RandomNormal(grad.shape(), RandomStream(5, path), grad.dtype());
    along += Sum(Mul(grad, directions[path])).Item();
  }
  const auto loss_at = [&](double step) {
    model->ForEachParam([&](const std::string& path, Tensor& param) {
      param = Add(params.at(path), Mul(directions.at(path), step));
    });
    return Loss(*model, tokens).Item();
  };
  // Of fourth order: the error of second order cancels between two steps.
  const auto central = [&](double h) { return (loss_at(h) - loss_at(-h)) / (2.0 * h); };
  const double quotient = (4.0 * central(1e-5) - central(2e-5)) / 3.0;
  EXPECT_NEAR(along, quotient, 1e-6 * (1.0 + std::abs(quotient)));
}

TEST_P(EveryMixer, GradientPassesThroughCarriedState) {
  const auto model = Model();
  const Tensor tokens = RandomTokens(2, 10);
  const NamedTensors params = Params(*model);
  const auto gradient = [&](const std::vector<int64_t>& lengths) {
    Tape tape;
    tape.Watch(params);
    return tape.Gradient(Sum(Mul(InPieces(*model, tokens, lengths).logits, 0.1)), params);
  };
  const NamedTensors whole = gradient({10}), pieces = gradient({3, 1, 6});
  for (const auto& [path, grad] : whole)
    EXPECT_LT(MaxDifference(grad, pieces.at(path)), 1e-8) << path;
}

TEST_P(EveryMixer, CountsItsState) {
  const auto model = Model();
  for (int64_t time : {0, 1, 9}) {
    int64_t bytes = 0;
    for (const auto& [name, tensor] : model->Forward(RandomTokens(1, time)).state) {
      if (name != "position") bytes += tensor.bytes();
    }
    EXPECT_EQ(StateBytes(*model, time), bytes) << "after " << time;
  }
}

TEST_P(EveryMixer, RunsInF32AndBf16) {
  const Tensor tokens = RandomTokens(2, 9);
  const Tensor reference = SmallModel(GetParam().block)->Forward(tokens).logits;
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF32, 1e-5), std::pair(DType::kBf16, 0.02)}) {
    const Tensor logits = SmallModel(GetParam().block, "", dtype)->Forward(tokens).logits;
    EXPECT_EQ(logits.dtype(), dtype);
    EXPECT_LT(MaxDifference(Cast(logits, DType::kF64), reference), tolerance) << dtype;
  }
}

}  // namespace
}  // namespace palimpsest
