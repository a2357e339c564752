// Every model of the table on a device, against the CPU.
#include <string>
#include <tuple>
#include <vector>

#include "core/allocator.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "nn/model_rows.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

class ModelOnDevice : public testing::TestWithParam<std::tuple<ModelRow, Device>> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(device_)) GTEST_SKIP() << "there is no device " << device_;
  }
  std::unique_ptr<LanguageModel> Model(Device device) const {
    return MakeRowModel(std::get<ModelRow>(GetParam()), DType::kF64, device);
  }
  const Device device_ = std::get<Device>(GetParam());
};

Tensor OnHost(const Tensor& x) { return CopyTo(x, Device::kCpu); }

double Tolerance(const Tensor& x) {
  return x.size() == 0 ? 1.0 : 1e-11 * (1.0 + Max(Abs(Cast(x, DType::kF64))).Item());
}

void ExpectClose(const NamedTensors& got, const NamedTensors& want) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [name, x] : want)
    EXPECT_LE(MaxDifference(OnHost(got.at(name)), x), Tolerance(x)) << name;
}

TEST_P(ModelOnDevice, StartsFromTheSameBits) {
  const auto here = Model(Device::kCpu), there = Model(device_);
  const NamedTensors params = Params(*there);
  for (const auto& [path, param] : Params(*here)) {
    EXPECT_EQ(params.at(path).device(), device_) << path;
    EXPECT_EQ(params.at(path).ToVector(), param.ToVector()) << path;
  }
}

TEST_P(ModelOnDevice, CarriesItsStateOn) {
  const auto here = Model(Device::kCpu), there = Model(device_);
  const Tensor tokens = RandomTokens(2, 9);
  NamedTensors before, before_there;
  for (const auto& [begin, end] : {std::pair{0, 6}, std::pair{6, 9}}) {
    const Tensor part = Slice(tokens, 1, begin, end);
    const ForwardResult want = here->Forward(part, {.state = before});
    const ForwardResult got = there->Forward(part, {.state = before_there});
    EXPECT_EQ(got.logits.device(), device_);
    EXPECT_LE(MaxDifference(OnHost(got.logits), want.logits), Tolerance(want.logits));
    ExpectClose(got.state, want.state);
    before = want.state, before_there = got.state;
  }
}

TEST_P(ModelOnDevice, HasTheSameGradients) {
  const Tensor tokens = RandomTokens(2, 8);
  const auto gradients = [&](Device device) {
    const auto model = Model(device);
    const NamedTensors params = Params(*model);
    Tape tape;
    tape.Watch(params);
    const Tensor labels = CopyTo(Slice(tokens, 1, 1, 8), device);
    return tape.Gradient(CrossEntropy(model->Forward(Slice(tokens, 1, 0, 7)).logits, labels),
                         params);
  };
  ExpectClose(gradients(device_), gradients(Device::kCpu));
}

TEST_P(ModelOnDevice, TellsTheSameStatistics) {
  const Tensor tokens = RandomTokens(1, 5);
  const auto statistics = [&](Device device) {
    std::map<std::string, double> all;
    Model(device)->Forward(
        tokens, {.statistics = [&](const std::string& path, double value) { all[path] = value; }});
    return all;
  };
  const std::map<std::string, double> got = statistics(device_), want = statistics(Device::kCpu);
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [path, value] : want)
    EXPECT_NEAR(got.at(path), value, 1e-8 * (1.0 + std::abs(value))) << path;
}

INSTANTIATE_TEST_SUITE_P(Rows, ModelOnDevice,
                         testing::Combine(testing::ValuesIn(ModelRows()),
                                          testing::Values(Device::kCuda, Device::kSimulatedCuda)),
                         [](const auto& info) {
                           return std::get<ModelRow>(info.param).name + "_" +
                                  testing::PrintToString(std::get<Device>(info.param));
                         });

}  // namespace
}  // namespace palimpsest
