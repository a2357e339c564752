// The fused AdamW kernel against the chain of levels that defines it.
#include <optional>
#include <string>

#include "core/parallel.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr char kConfig[] =
    "lr: 0.03 weight_decay: 0.1 beta2: 0.95 clip_norm: 2 "
    "schedule { kind: COSINE warmup_steps: 3 total_steps: 20 } "
    "group { match: 'large' set { eps: 1e-5 } }";

NamedTensors Params(DType dtype) {
  return RandomTensors({{"empty", Tensor::Empty({0, 3}, dtype)},
                        {"scalar", Tensor::Empty({}, dtype)},
                        {"odd", Tensor::Empty({7, 13}, dtype)},
                        {"large", Tensor::Empty({3, 5001}, dtype)}},
                       1);
}

UpdateResult Train(DType dtype, int steps, bool composed) {
  std::optional<ComposedScope> scope;
  if (composed) scope.emplace();
  NamedTensors params = Params(dtype);
  const auto optimizer = MakeOptimizer(kConfig, params);
  UpdateResult result{.params = params, .state = optimizer->Init(params)};
  for (int step = 0; step < steps; ++step) {
    result = optimizer->Update(std::move(result.params), RandomTensors(Params(dtype), 100 + step),
                               std::move(result.state), step);
  }
  return result;
}

double Worst(const NamedTensors& a, const NamedTensors& b) {
  double worst = 0.0;
  for (const auto& [name, x] : a) worst = std::max(worst, Distance(x, b.at(name)));
  return worst;
}

TEST(FusedAdamW, IsTheChainOfLevels) {
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF64, 1e-12), std::pair(DType::kF32, 2e-6),
        std::pair(DType::kBf16, 1e-3)}) {
    const UpdateResult fused = Train(dtype, 20, false), composed = Train(dtype, 20, true);
    EXPECT_LT(Worst(fused.params, composed.params), tolerance) << dtype;
    EXPECT_LT(Worst(fused.state, composed.state), tolerance) << dtype;
    EXPECT_GT(Worst(fused.params, Params(dtype)), 0.1) << dtype;
  }
}

TEST(FusedAdamW, SameBitsForAnyNumberOfThreads) {
  const int threads = NumThreads();
  SetNumThreads(1);
  const UpdateResult one = Train(DType::kF32, 3, false);
  SetNumThreads(3);
  const UpdateResult three = Train(DType::kF32, 3, false);
  SetNumThreads(threads);
  for (const auto& [name, x] : one.params) EXPECT_TRUE(SameBits(x, three.params.at(name))) << name;
  for (const auto& [name, x] : one.state) EXPECT_TRUE(SameBits(x, three.state.at(name))) << name;
}

TEST(FusedAdamW, WorksInPlaceOnWhatIsGivenUp) {
  NamedTensors params = Params(DType::kF32);
  const auto optimizer = MakeOptimizer(kConfig, params);
  NamedTensors state = optimizer->Init(params);
  const void *param = params.at("large").raw(), *m = state.at("large.m").raw();
  const uint64_t id = params.at("large").id();
  const NamedTensors grads = RandomTensors(params, 3);
  const UpdateResult result = optimizer->Update(std::move(params), grads, std::move(state), 0);
  EXPECT_EQ(result.params.at("large").raw(), param);
  EXPECT_EQ(result.state.at("large.m").raw(), m);
  // To a tape, other tensors.
  EXPECT_NE(result.params.at("large").id(), id);
}

TEST(FusedAdamW, LeavesWhatOthersHold) {
  const NamedTensors params = Params(DType::kF32), before = DeepCopy(params);
  const auto optimizer = MakeOptimizer(kConfig, params);
  const NamedTensors state = optimizer->Init(params), state_before = DeepCopy(state),
                     grads = RandomTensors(params, 3);
  const UpdateResult a = optimizer->Update(params, grads, state, 0);
  for (const auto& [name, x] : before) EXPECT_TRUE(SameBits(params.at(name), x)) << name;
  for (const auto& [name, x] : state_before) EXPECT_TRUE(SameBits(state.at(name), x)) << name;
  // A view of the buffer is as good a reason.
  NamedTensors moved = DeepCopy(params);
  const Tensor row = moved.at("large").Rows(0, 1);
  const std::vector<double> row_before = row.ToVector();
  const UpdateResult b = optimizer->Update(std::move(moved), grads, state, 0);
  EXPECT_EQ(row.ToVector(), row_before);
  for (const auto& [name, x] : a.params) EXPECT_TRUE(SameBits(b.params.at(name), x)) << name;
}

}  // namespace
}  // namespace palimpsest
