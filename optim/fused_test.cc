// Optimizers that are a kernel or two a step against the chains of levels that define them.
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/parallel.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

struct Row {
  std::string name, config;
};

const std::vector<Row>& Rows() {
  static const auto* const rows = new std::vector<Row>{
      {"adamw", "name: 'adamw' weight_decay: 0.1 beta2: 0.95"},
      {"sgd", "name: 'sgd'"},
      {"sgd_decay", "name: 'sgd' weight_decay: 0.1"},
      {"momentum", "name: 'momentum' weight_decay: 0.1"},
      {"dampening", "name: 'momentum' dampening: 0.4"},
      {"nesterov", "name: 'momentum' nesterov: true weight_decay: 0.1"},
      {"lion", "name: 'lion' weight_decay: 0.1"},
      {"am_mgd", "name: 'am_mgd'"},
      {"am_mgd_decay", "name: 'am_mgd' weight_decay: 0.1 lambda: 0.3"},
      {"am_mgd_per_tensor", "name: 'am_mgd' weight_decay: 0.1 per_tensor: true"},
      {"am_adamw", "name: 'am_adamw' weight_decay: 0.1"},
  };
  return *rows;
}

class Fused : public ::testing::TestWithParam<Row> {
 protected:
  static std::string Config() {
    return absl::StrCat(GetParam().config,
                        " lr: 0.1 clip_norm: 100 group { match: 'large' lr_factor: 0.5 } "
                        "schedule { kind: COSINE warmup_steps: 3 total_steps: 8 }");
  }

  static NamedTensors Params(DType dtype) {
    return RandomTensors({{"empty", Tensor::Empty({0, 3}, dtype)},
                          {"scalar", Tensor::Empty({}, dtype)},
                          {"odd", Tensor::Empty({7, 13}, dtype)},
                          {"large", Tensor::Empty({4, 5001}, dtype)}},
                         1);
  }

  static UpdateResult Train(DType dtype, int steps) {
    NamedTensors params = Params(dtype);
    const auto optimizer = MakeOptimizer(Config(), params);
    UpdateResult result{.params = params, .state = optimizer->Init(params)};
    for (int step = 0; step < steps; ++step) {
      result = optimizer->Update(std::move(result.params), RandomTensors(Params(dtype), 100 + step),
                                 std::move(result.state), step);
    }
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(All, Fused, ::testing::ValuesIn(Rows()),
                         [](const auto& info) { return info.param.name; });

double Worst(const NamedTensors& a, const NamedTensors& b) {
  double worst = 0.0;
  for (const auto& [name, x] : a) worst = std::max(worst, Distance(x, b.at(name)));
  return worst;
}

TEST_P(Fused, IsTheChainOfLevels) {
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF64, 1e-12), std::pair(DType::kF32, 2e-6),
        std::pair(DType::kBf16, 1e-3)}) {
    const UpdateResult fused = Train(dtype, 8);
    const ComposedScope scope;
    const UpdateResult composed = Train(dtype, 8);
    EXPECT_LT(Worst(fused.params, composed.params), tolerance) << dtype;
    EXPECT_LT(Worst(fused.state, composed.state), tolerance) << dtype;
    EXPECT_GT(Worst(fused.params, Params(dtype)), 0.1) << dtype;
  }
}

TEST_P(Fused, SameBitsForAnyNumberOfThreads) {
  const int threads = NumThreads();
  SetNumThreads(1);
  const UpdateResult one = Train(DType::kF32, 3);
  SetNumThreads(3);
  const UpdateResult three = Train(DType::kF32, 3);
  SetNumThreads(threads);
  ExpectSameBits(one.params, three.params);
  ExpectSameBits(one.state, three.state);
}

// The chain of levels does not: so this shows that the kernel is taken, too.
TEST_P(Fused, WorksInPlaceOnWhatIsGivenUp) {
  NamedTensors params = Params(DType::kF32);
  const auto optimizer = MakeOptimizer(Config(), params);
  NamedTensors state = optimizer->Init(params);
  const uint64_t id = params.at("large").id();
  std::map<std::string, const void*> places;
  for (const NamedTensors* tensors : {&params, &state}) {
    for (const auto& [name, x] : *tensors)
      if (x.size() > 1) places[name] = x.raw();
  }
  const NamedTensors grads = RandomTensors(params, 3);
  const UpdateResult result = optimizer->Update(std::move(params), grads, std::move(state), 0);
  for (const auto& [name, place] : places) {
    const NamedTensors& now = result.params.contains(name) ? result.params : result.state;
    EXPECT_EQ(now.at(name).raw(), place) << name;
  }
  // To a tape, other tensors.
  EXPECT_NE(result.params.at("large").id(), id);
}

TEST_P(Fused, LeavesWhatOthersHold) {
  const NamedTensors params = Params(DType::kF32), before = DeepCopy(params);
  const auto optimizer = MakeOptimizer(Config(), params);
  const NamedTensors state = optimizer->Init(params), state_before = DeepCopy(state),
                     grads = RandomTensors(params, 3);
  const UpdateResult a = optimizer->Update(params, grads, state, 0);
  ExpectSameBits(params, before);
  ExpectSameBits(state, state_before);
  // A view of the buffer is as good a reason.
  NamedTensors moved = DeepCopy(params);
  const Tensor row = moved.at("large").Rows(0, 1);
  const std::vector<double> row_before = row.ToVector();
  const UpdateResult b = optimizer->Update(std::move(moved), grads, state, 0);
  EXPECT_EQ(row.ToVector(), row_before);
  ExpectSameBits(a.params, b.params);
}

}  // namespace
}  // namespace palimpsest
