// The parameters after each step are those of another program: torch.optim or, of optimizers it
// does not have, testdata/reference.py (testdata/make_goldens.py).
#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <tuple>
#include <vector>

#include "core/allocator.h"
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

NamedTensors ReadTensors(const Json& values, const Json& shapes) {
  NamedTensors tensors;
  for (const auto& [name, x] : values.items()) {
    const auto extents = shapes.at(name).get<std::vector<int64_t>>();
    tensors[name] = Tensor::FromVector(Shape(extents.begin(), extents.end()),
                                       x.get<std::vector<double>>(), DType::kF64);
  }
  return tensors;
}

Tensor ReadRows(const Json& rows) {
  std::vector<double> values;
  for (const Json& row : rows) {
    for (const Json& x : row) values.push_back(x.get<double>());
  }
  const auto count = static_cast<int64_t>(rows.size()), size = static_cast<int64_t>(values.size());
  return Tensor::FromVector({count, size / count}, values, DType::kF64);
}

std::vector<Pass> ReadPasses(const Json& inputs, size_t step) {
  if (inputs.contains("grads"))
    return {{.grads = ReadTensors(inputs.at("grads")[step], inputs.at("shapes"))}};
  std::vector<Pass> passes;
  for (const Json& part : inputs.at("parts")[step]) {
    Pass& pass = passes.emplace_back();
    for (const auto& [name, pair] : part.items())
      pass.layers[name] = {ReadRows(pair.at("x")), ReadRows(pair.at("d"))};
  }
  return passes;
}

// Of a tensor with values up to `largest`.
double Tolerance(const std::vector<double>& values) {
  double largest = 1.0;
  for (double x : values) largest = std::max(largest, std::abs(x));
  return 1e-12 * largest;
}

class GoldenTest : public ::testing::TestWithParam<std::tuple<size_t, Device>> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(device())) GTEST_SKIP() << "there is no device " << device();
  }
  static Device device() { return std::get<Device>(GetParam()); }

  static void Run() {
    const Json &golden = Goldens().at("cases")[std::get<size_t>(GetParam())],
               &inputs = Goldens().at("inputs").at(golden.at("inputs").get<std::string>());
    NamedTensors params = CopyTo(ReadTensors(inputs.at("params"), inputs.at("shapes")), device());
    const auto optimizer = MakeOptimizer(golden.at("config"), params);
    NamedTensors state = optimizer->Init(params);
    const size_t steps = golden.at("after").size();
    ASSERT_GT(steps, 0u);
    for (size_t step = 0; step < steps; ++step) {
      std::vector<Pass> passes = ReadPasses(inputs, step);
      for (Pass& pass : passes) pass = CopyTo(pass, device());
      UpdateResult result = UpdateAfter(passes, *optimizer, std::move(params), std::move(state),
                                        static_cast<int64_t>(step));
      params = std::move(result.params), state = std::move(result.state);
      if (!golden.at("norms").empty()) {
        const double norm = golden.at("norms")[step].get<double>();
        EXPECT_NEAR(result.grad_norm(), norm, 1e-12 * std::max(1.0, norm));
      }
      for (const auto& [name, want] : ReadTensors(golden.at("after")[step], inputs.at("shapes"))) {
        const std::vector<double> a = params.at(name).ToVector(), b = want.ToVector();
        for (size_t i = 0; i < b.size(); ++i)
          ASSERT_NEAR(a[i], b[i], Tolerance(b)) << name << "[" << i << "], step " << step;
      }
    }
  }
};

TEST_P(GoldenTest, StepForStep) { Run(); }

// The chain of levels where there is a fused kernel.
TEST_P(GoldenTest, StepForStepComposed) {
  const ComposedScope composed;
  Run();
}

INSTANTIATE_TEST_SUITE_P(
    All, GoldenTest,
    ::testing::Combine(::testing::Range<size_t>(0, Goldens().at("cases").size()),
                       ::testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda)),
    [](const auto& info) {
      const Json& golden = Goldens().at("cases")[std::get<size_t>(info.param)];
      return golden.at("name").template get<std::string>() + "_" +
             ::testing::PrintToString(std::get<Device>(info.param));
    });

}  // namespace
}  // namespace palimpsest
