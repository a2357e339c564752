// The parameters after each step are those of torch.optim (testdata/make_goldens.py).
#include <fstream>
#include <string>
#include <vector>

#include "core/tape.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "optim/optimizer.h"
#include "optim/testing.h"

namespace palimpsest {
namespace {

using Json = nlohmann::json;

const Json& Goldens() {
  static const Json* const goldens = [] {
    std::ifstream in("optim/testdata/goldens.json");
    return new Json(Json::parse(in));
  }();
  return *goldens;
}

NamedTensors Read(const Json& values, const Json& shapes) {
  NamedTensors tensors;
  for (const auto& [name, x] : values.items()) {
    const auto extents = shapes.at(name).get<std::vector<int64_t>>();
    tensors[name] = Tensor::FromVector(Shape(extents.begin(), extents.end()),
                                       x.get<std::vector<double>>(), DType::kF64);
  }
  return tensors;
}

class GoldenTest : public ::testing::TestWithParam<size_t> {};

TEST_P(GoldenTest, StepForStep) {
  const Json& golden = Goldens()[GetParam()];
  const Json& shapes = golden.at("shapes");
  NamedTensors params = Read(golden.at("params"), shapes);
  const auto optimizer = MakeOptimizer(golden.at("config"), params);
  NamedTensors state = optimizer->Init(params);
  const size_t steps = golden.at("grads").size();
  ASSERT_GT(steps, 0u);
  for (size_t step = 0; step < steps; ++step) {
    UpdateResult result =
        optimizer->Update(std::move(params), Read(golden.at("grads")[step], shapes),
                          std::move(state), static_cast<int64_t>(step));
    params = std::move(result.params), state = std::move(result.state);
    if (!golden.at("norms").empty()) {
      EXPECT_NEAR(result.grad_norm, golden.at("norms")[step].get<double>(), 1e-12);
    }
    for (const auto& [name, want] : Read(golden.at("after")[step], shapes)) {
      const std::vector<double> a = params.at(name).ToVector(), b = want.ToVector();
      for (size_t i = 0; i < b.size(); ++i)
        ASSERT_NEAR(a[i], b[i], 1e-12) << name << "[" << i << "], step " << step;
    }
  }
}

// The chain of levels where there is a fused kernel.
TEST_P(GoldenTest, StepForStepComposed) {
  const ComposedScope composed;
  const Json& golden = Goldens()[GetParam()];
  const Json& shapes = golden.at("shapes");
  NamedTensors params = Read(golden.at("params"), shapes);
  const auto optimizer = MakeOptimizer(golden.at("config"), params);
  NamedTensors state = optimizer->Init(params);
  for (size_t step = 0; step < golden.at("grads").size(); ++step) {
    UpdateResult result =
        optimizer->Update(std::move(params), Read(golden.at("grads")[step], shapes),
                          std::move(state), static_cast<int64_t>(step));
    params = std::move(result.params), state = std::move(result.state);
  }
  for (const auto& [name, want] : Read(golden.at("after").back(), shapes)) {
    const std::vector<double> a = params.at(name).ToVector(), b = want.ToVector();
    for (size_t i = 0; i < b.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-12) << name << "[" << i << "]";
  }
}

INSTANTIATE_TEST_SUITE_P(Torch, GoldenTest, ::testing::Range<size_t>(0, Goldens().size()),
                         [](const auto& info) {
                           return Goldens()[info.param].at("name").template get<std::string>();
                         });

}  // namespace
}  // namespace palimpsest
