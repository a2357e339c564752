// Every number an optimizer or a level can be told, beyond the ends of what is allowed.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "optim/optimizer.h"
#include "optim/optimizers.h"
#include "optim/testing.h"

namespace palimpsest {
namespace {

constexpr absl::string_view kLevel = "level.0.", kGates = "gates.";

struct Outside {
  std::vector<double> values;
  std::string allowed;
};

Outside OutsideOf(HyperSpec::Range range) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  switch (range) {
    case HyperSpec::Range::kAtLeast0: return {{-0.1, infinity, nan}, "finite and at least 0"};
    case HyperSpec::Range::kAbove0: return {{-0.1, 0.0, infinity, nan}, "finite and above 0"};
    case HyperSpec::Range::kAtLeast1: return {{0.0, -3.0}, "finite and at least 1"};
    case HyperSpec::Range::kAbove0To100: return {{-0.1, 0.0, 101.0, infinity, nan}, "in (0, 100]"};
    case HyperSpec::Range::kFrom1To100: return {{0.0, 101.0}, "in [1, 100]"};
    case HyperSpec::Range::kFrom0Below1: return {{-0.1, 1.0, nan}, "in [0, 1)"};
    case HyperSpec::Range::kFrom0To1: return {{-0.1, 1.1, nan}, "in [0, 1]"};
    case HyperSpec::Range::kAny: return {};
  }
  return {};
}

void SetField(const std::string& name, double value, google::protobuf::Message& message) {
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  ASSERT_NE(field, nullptr) << name;
  if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_INT64) {
    message.GetReflection()->SetInt64(&message, field, static_cast<int64_t>(value));
  } else {
    message.GetReflection()->SetDouble(&message, field, value);
  }
}

void Set(const std::string& name, double value, OptimizerConfig& config) {
  if (!absl::StartsWith(name, kLevel)) return SetField(name, value, config);
  OptimizerConfig::Level& level = *config.mutable_level(0);
  const std::string own = name.substr(kLevel.size());
  if (!absl::StartsWith(own, kGates)) return SetField(own, value, level);
  (*level.mutable_gates())[own.substr(kGates.size())] = value;
}

std::vector<std::string> Configs() {
  std::vector<std::string> configs;
  for (const auto& [name, spec] : OptimizerSpecs())
    configs.push_back(absl::StrCat("name: '", name, "'"));
  for (const char* level :
       {"kind: 'none'", "kind: 'ema'", "kind: 'delta_momentum'", "kind: 'hope_delta'",
        "kind: 'deep'", "kind: 'memory' rule: 'delta'", "kind: 'memory' rule: 'hebbian'"}) {
    configs.push_back(absl::StrCat("name: 'chain' level { ", level, " }"));
  }
  return configs;
}

class HyperRange : public ::testing::TestWithParam<std::string> {};

TEST_P(HyperRange, IsNamedWhereItIsLeft) {
  const NamedTensors params = RandomTensors({{"w", Tensor::Empty({3, 2}, DType::kF32)}}, 1);
  const OptimizerConfig good = ParseConfig(GetParam());
  EXPECT_TRUE(Optimizer::Create(good, params).ok()) << Optimizer::Create(good, params).status();
  const auto specs = HypersOf(good, "optimizer");
  ASSERT_TRUE(specs.ok()) << specs.status();
  int checked = 0;
  for (const HyperSpec& hyper : *specs) {
    const Outside outside = OutsideOf(hyper.range);
    for (double value : outside.values) {
      OptimizerConfig config = good;
      Set(hyper.name, value, config);
      const absl::Status status = Optimizer::Create(config, params).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_EQ(std::string(status.message()), absl::StrCat("optimizer.", hyper.name, " is ", value,
                                                            "; it must be ", outside.allowed));
      ++checked;
    }
  }
  EXPECT_GE(checked, 6);
}

INSTANTIATE_TEST_SUITE_P(All, HyperRange, ::testing::ValuesIn(Configs()));

}  // namespace
}  // namespace palimpsest
