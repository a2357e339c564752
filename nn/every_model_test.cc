// What every model promises, for each row of the table.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/parallel.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "nn/model_rows.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

class EveryModel : public testing::TestWithParam<ModelRow> {
 protected:
  static std::unique_ptr<LanguageModel> Model(DType dtype = DType::kF64) {
    return MakeRowModel(GetParam(), dtype);
  }
};
INSTANTIATE_TEST_SUITE_P(Rows, EveryModel, testing::ValuesIn(ModelRows()),
                         [](const auto& info) { return info.param.name; });

// Rounding, of values of about this size, by models that magnify it.
double Tolerance(DType dtype, const Tensor& x) {
  const double size = x.size() == 0 ? 0.0 : Max(Abs(Cast(x, DType::kF64))).Item();
  return (dtype == DType::kF64 ? 1e-12 : 8e-5) * (1.0 + size);
}

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

TEST_P(EveryModel, GivesLogitsAndState) {
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

// Whichever token is another one: no bit of the logits before it changes.
TEST_P(EveryModel, SeesNoLaterToken) {
  constexpr int64_t kTime = 13;
  const Tensor tokens = RandomTokens(1, kTime);
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const auto model = Model(dtype);
    const Tensor before = model->Forward(tokens).logits;
    for (int64_t j = 0; j < kTime; ++j) {
      std::vector<double> changed = tokens.ToVector();
      changed[j] = static_cast<double>((static_cast<int>(changed[j]) + 1) % 11);
      const Tensor after =
          model->Forward(Tensor::FromVector({1, kTime}, changed, DType::kI32)).logits;
      EXPECT_EQ(Slice(before, 1, 0, j).ToVector(), Slice(after, 1, 0, j).ToVector()) << "of " << j;
      EXPECT_NE(Slice(before, 1, j, j + 1).ToVector(), Slice(after, 1, j, j + 1).ToVector())
          << "of " << j;
    }
  }
}

TEST_P(EveryModel, IsTheSameHoweverTheStreamIsSplit) {
  const Tensor tokens = RandomTokens(2, 13);
  const std::vector<std::vector<int64_t>> splits = {
      std::vector<int64_t>(13, 1), {4, 4, 5}, {1, 12}, {5, 1, 7}, {12, 1}, {2, 2, 0, 9}};
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const auto model = Model(dtype);
    const ForwardResult whole = model->Forward(tokens);
    for (const auto& lengths : splits) {
      const ForwardResult pieces = InPieces(*model, tokens, lengths);
      EXPECT_LT(MaxDifference(whole.logits, pieces.logits), Tolerance(dtype, whole.logits));
      for (const auto& [name, tensor] : whole.state)
        EXPECT_LT(MaxDifference(tensor, pieces.state.at(name)), 10 * Tolerance(dtype, tensor))
            << name;
    }
  }
}

TEST_P(EveryModel, SequencesOfABatchAreIndependent) {
  const Tensor tokens = RandomTokens(2, 9);
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const auto model = Model(dtype);
    const Tensor both = model->Forward(tokens).logits;
    for (int64_t b = 0; b < 2; ++b) {
      const Tensor alone = model->Forward(Slice(tokens, 0, b, b + 1)).logits;
      EXPECT_LT(MaxDifference(Slice(both, 0, b, b + 1), alone), Tolerance(dtype, alone));
    }
  }
}

TEST_P(EveryModel, IsTheSameForAnyThreadCount) {
  const Tensor tokens = RandomTokens(5, 20);
  const int before = NumThreads();
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const auto model = Model(dtype);
    const NamedTensors params = Params(*model);
    std::vector<NamedTensors> grads;
    for (int threads : {1, 2}) {
      SetNumThreads(threads);
      Tape tape;
      tape.Watch(params);
      grads.push_back(tape.Gradient(Loss(*model, tokens), params));
    }
    SetNumThreads(before);
    for (const auto& [path, grad] : grads[0]) {
      EXPECT_TRUE(AllFinite(grad)) << path;
      EXPECT_EQ(grad.ToVector(), grads[1].at(path).ToVector()) << path;
    }
  }
}

// <gradient, direction> against the difference quotient along a random direction of all parameters.
TEST_P(EveryModel, GradientIsThatOfTheLoss) {
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

TEST_P(EveryModel, GradientPassesThroughCarriedState) {
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

TEST_P(EveryModel, CountsItsState) {
  const auto model = Model();
  for (int64_t time : {0, 1, 9}) {
    int64_t bytes = 0;
    for (const auto& [name, tensor] : model->Forward(RandomTokens(1, time)).state) {
      if (name != "position") bytes += tensor.bytes();
    }
    EXPECT_EQ(StateBytes(*model, time), bytes) << "after " << time;
  }
}

TEST_P(EveryModel, RunsInF32AndBf16) {
  const ModelConfig config = ParseModel(GetParam().config);
  const auto logits = [&](DType dtype) {
    return (*LanguageModel::Create(config, RandomStream(1, "init"), dtype))
        ->Forward(RandomTokens(2, 9))
        .logits;
  };
  const Tensor reference = logits(DType::kF64);
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF32, 1e-5), std::pair(DType::kBf16, 0.02)}) {
    const Tensor y = logits(dtype);
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_LT(MaxDifference(Cast(y, DType::kF64), reference), tolerance) << dtype;
  }
}

}  // namespace
}  // namespace palimpsest
