// What every memory rule must be (conformance/checks.h) on a device, beside the CPU in f64.
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "conformance/checks.h"
#include "core/allocator.h"
#include "gtest/gtest.h"
#include "tests/rule_rows.h"

namespace palimpsest {

void PrintTo(const Check& check, std::ostream* os) { *os << check.meaning; }

namespace {

using Param = std::tuple<RuleConfig, Check, Device>;

class RuleOnDevice : public testing::TestWithParam<Param> {};

TEST_P(RuleOnDevice, Holds) {
  const auto& [rule, check, device] = GetParam();
  if (!Allocator::Has(device)) GTEST_SKIP() << "there is no device " << device;
  Measurements measurements;
  check.run(rule, {device, /*brief=*/device == Device::kSimulatedCuda}, &measurements);
  EXPECT_FALSE(measurements.empty());
  for (const Measurement& failure : Failures(measurements)) ADD_FAILURE() << Describe(failure);
}

bool ByDefault(const RuleConfig& rule) { return rule.params.empty() && rule.options.empty(); }

// On the simulated device a rule with parameters is held to values and gradients alone, and none to
// what says nothing of kernels.
bool Tells(const RuleConfig& rule, const Check& check) {
  if (!ByDefault(rule)) return check.name == "backward";
  return check.name != "linear" && check.name != "heads" && check.name != "split";
}

std::vector<Param> Params() {
  std::vector<Param> params;
  for (const Device device : {Device::kCuda, Device::kSimulatedCuda}) {
    for (const RuleConfig& rule : SuiteRows()) {
      for (const Check& check : Checks()) {
        if (device == Device::kCuda || Tells(rule, check)) params.emplace_back(rule, check, device);
      }
    }
  }
  return params;
}

INSTANTIATE_TEST_SUITE_P(Rules, RuleOnDevice, testing::ValuesIn(Params()), [](const auto& info) {
  return RowName(std::get<RuleConfig>(info.param)) + "_" + std::get<Check>(info.param).name + "_" +
         testing::PrintToString(std::get<Device>(info.param));
});

}  // namespace
}  // namespace palimpsest
