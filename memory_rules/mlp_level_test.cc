#include "memory_rules/mlp_level.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "memory_rules/rule.h"
#include "ops/ops.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

using Network = MlpLevelOptions::Network;
constexpr int64_t kBatch = 2, kKey = 3, kValue = 4;

Tensor Random(Shape shape, const std::string& name) {
  return RandomNormal(std::move(shape), RandomStream(1, name), DType::kF64, 0.7);
}

double MaxDifference(const Tensor& a, const Tensor& b) { return Max(Abs(Sub(a, b))).Item(); }

struct Variant {
  std::string name;
  MlpLevelOptions options;
};

class EveryLevel : public testing::TestWithParam<Variant> {
 protected:
  Sequence Tokens(int64_t time) const {
    Shape eta = {kBatch, time, 1};
    if (GetParam().options.per_channel) eta.push_back(kValue);
    return {Random({kBatch, time, 1, kKey}, "q"),
            Random({kBatch, time, 1, kKey}, "k"),
            Random({kBatch, time, 1, kValue}, "v"),
            {{"eta", Mul(Sigmoid(Random(eta, "eta")), 0.2)}}};
  }
  State Fresh() const {
    return level_.Init({kBatch, kKey, kValue}, DType::kF64, RandomStream(2, "fresh"));
  }

  const MlpLevel level_{GetParam().options};
};
INSTANTIATE_TEST_SUITE_P(
    Levels, EveryLevel,
    testing::Values(Variant{"swiglu", {}},
                    Variant{"gelu_mean", {Network::kGelu, Objective::kL2, true}},
                    Variant{"relu_channels", {Network::kRelu, Objective::kL2, false, true}},
                    Variant{"dot", {Network::kSwiglu, Objective::kDot, true, true}},
                    Variant{"first_order", {Network::kGelu, Objective::kL2, false, false, true}},
                    Variant{"bounded", {.max_update = 0.01}}),
    [](const auto& info) { return info.param.name; });

TEST_P(EveryLevel, ChunksAreTheSteps) {
  const Sequence seq = Tokens(11);
  for (int64_t chunk : {1, 3, 4, 11, 20}) {
    const ScanResult steps = Scan(level_, seq, Fresh(), {ScanMode::kSteps, chunk}),
                     chunks = Scan(level_, seq, Fresh(), {ScanMode::kChunks, chunk});
    EXPECT_LT(MaxDifference(steps.y, chunks.y), 1e-12) << chunk;
    for (size_t i = 0; i < steps.state.size(); ++i)
      EXPECT_LT(MaxDifference(steps.state[i], chunks.state[i]), 1e-12) << chunk << " " << i;
    EXPECT_EQ(Max(MlpLevel::Updates(chunks.state)).Item(), static_cast<double>(11 / chunk));
  }
}

// What a chunk writes is minus the difference quotient of its loss, weight by weight.
TEST_P(EveryLevel, WritesDescendTheLoss) {
  const Sequence seq = Tokens(3);
  const Gates gates = {{"eta", GetParam().options.per_channel
                                   ? Reshape(seq.gates.at("eta"), {kBatch, 3, kValue})
                                   : Reshape(seq.gates.at("eta"), {kBatch, 3})}};
  const Tensor k = Reshape(seq.k, {kBatch, 3, kKey}), v = Reshape(seq.v, {kBatch, 3, kValue});
  const Tensors before = level_.WeightsOf(Fresh());
  const Tensors after = level_.WeightsOf(Scan(level_, seq, Fresh(), {ScanMode::kChunks, 3}).state);
  if (GetParam().options.max_update > 0.0) GTEST_SKIP() << "bounded, by design";
  const double share = GetParam().options.average ? 1.0 / 3.0 : 1.0;
  for (size_t i = 0; i < before.size(); ++i) {
    const Tensor direction = Random(before[i].shape(), "direction");
    const auto loss = [&](double h) {
      Tensors w = before;
      w[i] = Add(w[i], Mul(direction, h));
      return level_.Loss(level_.Forward(SharedWeights(w), k), v, gates).Item();
    };
    const double slope = (loss(1e-5) - loss(-1e-5)) / 2e-5;
    EXPECT_NEAR(Sum(Mul(Sub(after[i], before[i]), direction)).Item(), -share * slope, 1e-8) << i;
  }
}

// A token's reading does not depend on whether the keys are the very tensor of the queries.
TEST_P(EveryLevel, ReadsQueriesThatAreKeys) {
  const Sequence seq = Tokens(4);
  const Tensor q = Reshape(seq.q, {kBatch, 4, kKey}), v = Reshape(seq.v, {kBatch, 4, kValue});
  const Shape per_token = {kBatch, 4}, per_channel = {kBatch, 4, kValue};
  const Gates gates = {{"eta", Reshape(seq.gates.at("eta"),
                                       GetParam().options.per_channel ? per_channel : per_token)}};
  const ScanResult same = level_.Chunk({q, q, v, gates}, Fresh(), {}),
                   copy = level_.Chunk({q, q.Detach(), v, gates}, Fresh(), {});
  EXPECT_EQ(same.y.ToVector(), copy.y.ToVector());
  for (size_t i = 0; i < same.state.size(); ++i)
    EXPECT_EQ(same.state[i].ToVector(), copy.state[i].ToVector());
}

TEST_P(EveryLevel, AWriteIsBoundedWhereItWouldBeLarge) {
  const Sequence seq = Tokens(3);
  const auto after = [&](double max_update) {
    MlpLevelOptions options = GetParam().options;
    options.max_update = max_update;
    return level_.WeightsOf(Scan(MlpLevel(options), seq, Fresh(), {ScanMode::kChunks, 3}).state);
  };
  const Tensors before = level_.WeightsOf(Fresh()), free = after(0.0), loose = after(1e3),
                tight = after(1e-3);
  Tensor moved, size;
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(free[i].ToVector(), loose[i].ToVector());
    const auto add = [](Tensor& sum, const Tensor& x) {
      const Tensor squares = Sum(Mul(x, x), {1, 2});
      sum = sum ? Add(sum, squares) : squares;
    };
    add(moved, Sub(tight[i], before[i]));
    add(size, before[i]);
  }
  EXPECT_LT(MaxDifference(Sqrt(Div(moved, size)), Tensor::Full({kBatch}, 1e-3, DType::kF64)),
            1e-10);
}

TEST_P(EveryLevel, GradientsPassThroughWrites) {
  if (GetParam().options.first_order) GTEST_SKIP() << "not the gradient, by design";
  const Sequence seq = Tokens(5);
  const auto f = [&](const Tensors& in) -> Tensors {
    State state = Fresh();
    const size_t weights = in.size() - 4;
    for (size_t i = 0; i < weights; ++i) state[i] = in[4 + i];
    const ScanResult r =
        Scan(level_, {in[0], in[1], in[2], {{"eta", in[3]}}}, state, {ScanMode::kChunks, 2});
    Tensors outs = {r.y};
    outs.insert(outs.end(), r.state.begin(), r.state.begin() + 2 * weights);
    return outs;
  };
  Tensors x = {seq.q, seq.k, seq.v, seq.gates.at("eta")};
  for (const Tensor& w : level_.WeightsOf(Fresh())) x.push_back(w);
  CheckGradient(f, x);
}

}  // namespace
}  // namespace palimpsest
