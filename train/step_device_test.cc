// Steps on a device: none waits for it, and recorded in a graph they give the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/allocator.h"
#include "core/tape.h"
#include "nn/model_rows.h"
#include "optim/optimizers.h"
#include "train/device.h"
#include "train/proto_text.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kModel[] = R"(
  width: 8 dropout: 0.1
  block { memory { rule { name: 'gated_delta' } heads: 2 chunk: 4 } }
  block { attention { heads: 2 } mlp { hidden: 12 } }
)";
constexpr char kTraining[] = R"(
  data { eval_examples: 4 mqar { vocab: 10 pairs: 2 } }
  batch: 4 length: 8 steps: 20 grad_accumulation: 2 device: CUDA
  optimizer { name: 'adamw' lr: 0.003 clip_norm: 1 schedule { warmup_steps: 5 kind: COSINE } }
)";

TrainConfig Config(const std::string& model = kModel, const std::string& optimizer = "adamw") {
  TrainConfig config;
  absl::Status status = ParseTextProto(kTraining, "test", &config);
  status.Update(ParseTextProto(model, "test", config.mutable_model()));
  PALIMPSEST_CHECK(status.ok()) << status.ToString();
  config.mutable_optimizer()->set_name(optimizer);
  return config;
}

std::unique_ptr<Trainer> Make(const TrainConfig& config) {
  auto trainer = Trainer::Create(config);
  PALIMPSEST_CHECK(trainer.ok()) << trainer.status().ToString();
  return *std::move(trainer);
}

StepResult Step(Trainer& trainer) {
  absl::StatusOr<StepResult> step = trainer.Step();
  PALIMPSEST_CHECK(step.ok()) << step.status().ToString();
  return *std::move(step);
}

// Three steps; none reads from the device.
std::vector<StepResult> StepsWithoutWaiting(Trainer& trainer) {
  const int64_t before = DeviceReads();
  std::vector<StepResult> results;
  for (int i = 0; i < 3; ++i) results.push_back(Step(trainer));
  EXPECT_EQ(DeviceReads(), before);
  return results;
}

void ExpectTheSameRecorded(TrainConfig config) {
  const auto by_ops = Make(config);
  config.set_cuda_graph(true);
  const auto recorded = Make(config);
  const std::vector<StepResult> want = StepsWithoutWaiting(*by_ops),
                                got = StepsWithoutWaiting(*recorded);
  EXPECT_EQ(recorded->graphs().recordings(), 1);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].loss(), want[i].loss()) << "step " << i;
    EXPECT_EQ(got[i].grad_norm(), want[i].grad_norm()) << "step " << i;
  }
  for (const auto& [path, param] : by_ops->params())
    EXPECT_EQ(recorded->params().at(path).ToVector(), param.ToVector()) << path;
}

class OnDevice : public testing::Test {
 public:
  static bool Use(Device device) {
    SetCudaDevice(device);
    return Allocator::Has(device);
  }
  void TearDown() override { SetCudaDevice(Device::kCuda); }
};

class StepOnDevice : public OnDevice, public testing::WithParamInterface<Device> {
 protected:
  void SetUp() override {
    if (!Use(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, StepOnDevice,
                         testing::Values(Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

// What happens in between changes nothing, and is not changed.
TEST_P(StepOnDevice, RecordedStepsGoOnWhateverComesBetween) {
  TrainConfig config = Config();
  config.mutable_optimizer()->set_average_keep(0.9);
  const auto by_ops = Make(config);
  config.set_cuda_graph(true);
  const auto recorded = Make(config);
  for (int i = 0; i < 12; ++i) {
    const bool with_statistics = i % 4 == 3;
    const auto want = by_ops->Step(), got = recorded->Step(with_statistics);
    ASSERT_TRUE(want.ok() && got.ok());
    EXPECT_EQ(got->loss(), want->loss()) << "step " << i;
    EXPECT_EQ(got->statistics.empty(), !with_statistics);
    if (i % 3 == 2) {
      EXPECT_EQ(recorded->Evaluate(1).loss(), by_ops->Evaluate(1).loss());
    }
    if (i != 6) continue;
    Checkpoint saved = *recorded->MakeCheckpoint("test");
    ASSERT_TRUE(recorded->Restore("checkpoint", std::move(saved)).ok());
  }
}

TEST_P(StepOnDevice, RecordsInBf16) {
  TrainConfig config = Config();
  config.set_dtype("bf16");
  ExpectTheSameRecorded(config);
}

// A level that is written once a period makes two kinds of steps, in whatever order they come.
TEST_P(StepOnDevice, RecordsEachKindOfStep) {
  constexpr char kPeriods[] = R"(
    name: 'chain' lr: 0.003 summed: true second_moment: GRADIENT
    level { kind: 'ema' keep: 0.9 corrected: true weight: 1 }
    level { kind: 'ema' keep: 0.5 corrected: true weight: 0.5 period: 2 }
    level { kind: 'memory' rule: 'delta' pairs: ROWS weight: 0.1 period: 3 }
  )";
  for (const auto policy : {OptimizerConfig::STOP, OptimizerConfig::SKIP}) {
    TrainConfig config = Config("width: 8 block { mlp { hidden: 12 } }");
    config.clear_optimizer();
    ASSERT_TRUE(ParseTextProto(kPeriods, "test", config.mutable_optimizer()).ok());
    config.mutable_optimizer()->set_non_finite(policy);
    const auto by_ops = Make(config);
    config.set_cuda_graph(true);
    const auto recorded = Make(config);
    const int64_t reads = DeviceReads();
    std::vector<StepResult> want, got;
    for (int i = 0; i < 15; ++i) want.push_back(Step(*by_ops)), got.push_back(Step(*recorded));
    EXPECT_EQ(DeviceReads(), reads);
    EXPECT_EQ(recorded->graphs().recordings(), 4);
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(got[i].loss(), want[i].loss()) << i;
  }
}

// As on the CPU, however late it is noticed; and nothing is left of the steps after it.
TEST_P(StepOnDevice, AStepThatFailsIsFoundLater) {
  for (const auto& [optimizer, recorded] : {std::pair("sgd", false), std::pair("sgd", true),
                                            std::pair("muon", false), std::pair("muon", true)}) {
    TrainConfig config = Config(kModel, optimizer);
    config.mutable_optimizer()->clear_clip_norm();
    config.mutable_optimizer()->clear_schedule();
    config.mutable_optimizer()->set_lr(1e30);
    config.set_cuda_graph(recorded);
    const auto late = Make(config);
    config.set_device(TrainConfig::CPU), config.set_cuda_graph(false);
    const auto here = Make(config);
    absl::Status want;
    int64_t made = 0;
    for (; want.ok() && made < 10; ++made) want = here->Step().status();
    ASSERT_FALSE(want.ok());
    for (int64_t i = 0; i < made + 3; ++i) Step(*late);
    const absl::Status got = late->Verify();
    const std::string which = absl::StrCat("step ", made, ": the ");
    EXPECT_THAT(std::string(want.message()), AllOf(HasSubstr(which), HasSubstr("it began where")));
    EXPECT_THAT(std::string(got.message()), AllOf(HasSubstr(which), HasSubstr("it began where")));
    EXPECT_EQ(late->step(), made - 1);
    for (const auto& [path, param] : late->params()) {
      EXPECT_TRUE(AllFinite(param)) << path;
    }
  }
}

using ByOptimizer = std::tuple<Device, std::string>;
class OptimizerStepOnDevice : public OnDevice, public testing::WithParamInterface<ByOptimizer> {
 protected:
  void SetUp() override {
    if (!Use(std::get<0>(GetParam()))) GTEST_SKIP() << "there is no such device";
  }
  static TrainConfig Optimizing() {
    return Config("width: 8 block { attention { heads: 2 } mlp { hidden: 12 } }",
                  std::get<1>(GetParam()));
  }
};
INSTANTIATE_TEST_SUITE_P(All, OptimizerStepOnDevice,
                         testing::Combine(testing::Values(Device::kCuda, Device::kSimulatedCuda),
                                          testing::ValuesIn([] {
                                            std::vector<std::string> names;
                                            for (const auto& [name, spec] : OptimizerSpecs())
                                              names.push_back(name);
                                            return names;
                                          }())),
                         [](const auto& info) {
                           return absl::StrCat(std::get<1>(info.param), "_",
                                               testing::PrintToString(std::get<0>(info.param)));
                         });

TEST_P(OptimizerStepOnDevice, NoStepWaitsAndRecordedItGivesTheSameBits) {
  TrainConfig config = Optimizing();
  config.mutable_optimizer()->set_average_keep(0.9);
  config.set_dtype("bf16");
  for (const TrainConfig& c : {config, Optimizing()}) ExpectTheSameRecorded(c);
}

// Steps that may be skipped are no exception.
TEST_P(OptimizerStepOnDevice, NoStepWaitsToKnowWhetherOneIsSkipped) {
  TrainConfig config = Optimizing();
  config.mutable_optimizer()->set_non_finite(OptimizerConfig::SKIP);
  for (const double keep : {0.0, 0.9}) {
    config.mutable_optimizer()->set_average_keep(keep);
    ExpectTheSameRecorded(config);
  }
}

using ByModel = std::tuple<Device, ModelRow>;
class ModelStepOnDevice : public OnDevice, public testing::WithParamInterface<ByModel> {
 protected:
  void SetUp() override {
    if (!Use(std::get<0>(GetParam()))) GTEST_SKIP() << "there is no such device";
  }
};
INSTANTIATE_TEST_SUITE_P(All, ModelStepOnDevice,
                         testing::Combine(testing::Values(Device::kCuda, Device::kSimulatedCuda),
                                          testing::ValuesIn(ModelRows())),
                         [](const auto& info) {
                           return absl::StrCat(std::get<1>(info.param).name, "_",
                                               testing::PrintToString(std::get<0>(info.param)));
                         });

TEST_P(ModelStepOnDevice, WaitsForNothingAndGivesTheSameBitsRecorded) {
  TrainConfig config = Config(std::get<1>(GetParam()).config);
  config.set_batch(1), config.set_grad_accumulation(1);
  ExpectTheSameRecorded(config);
}

}  // namespace
}  // namespace palimpsest
