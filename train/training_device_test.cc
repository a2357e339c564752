// Training, evaluation, checkpoints and generation with `device: CUDA`, against the CPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "kernels/gemm.h"
#include "train/device.h"
#include "train/generate.h"
#include "train/proto_text.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kConfig[] = R"(
  model {
    width: 8 dropout: 0.1
    block { memory { rule { name: 'gated_delta' } heads: 2 chunk: 4 } }
    block { attention { heads: 2 } mlp { hidden: 12 } }
  }
  data { eval_examples: 4 mqar { vocab: 10 pairs: 2 } }
  batch: 4 length: 8 steps: 50 grad_accumulation: 2
  optimizer { name: 'adamw' lr: 0.003 clip_norm: 1 average_keep: 0.9 }
)";

std::unique_ptr<Trainer> Make(TrainConfig::DeviceKind device, const char* dtype = "f32") {
  TrainConfig config;
  absl::Status status = ParseTextProto(kConfig, "test", &config);
  config.set_device(device);
  config.set_dtype(dtype);
  auto trainer = status.ok() ? Trainer::Create(config) : status;
  PALIMPSEST_CHECK(trainer.ok()) << trainer.status().ToString();
  return *std::move(trainer);
}

double StepLoss(Trainer& trainer) {
  const absl::StatusOr<StepResult> step = trainer.Step();
  PALIMPSEST_CHECK(step.ok()) << step.status().ToString();
  return step->loss();
}

Checkpoint CheckpointOf(Trainer& trainer) {
  absl::StatusOr<Checkpoint> checkpoint = trainer.MakeCheckpoint("test");
  PALIMPSEST_CHECK(checkpoint.ok()) << checkpoint.status().ToString();
  return *std::move(checkpoint);
}

class TrainingOnDevice : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
    SetCudaDevice(GetParam());
  }
  void TearDown() override { SetCudaDevice(Device::kCuda); }
};
INSTANTIATE_TEST_SUITE_P(Devices, TrainingOnDevice,
                         testing::Values(Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

TEST_P(TrainingOnDevice, GoesAsOnTheCpuStepByStep) {
  const auto here = Make(TrainConfig::CPU), there = Make(TrainConfig::CUDA);
  for (int step = 1; step <= 50; ++step) {
    const double want = StepLoss(*here), got = StepLoss(*there);
    ASSERT_NEAR(got, want, 1e-4 * want) << "step " << step;
  }
  for (const auto& [path, param] : there->params()) EXPECT_EQ(param.device(), GetParam()) << path;
  EXPECT_NEAR(there->Evaluate().loss(), here->Evaluate().loss(), 1e-3);
}

TEST_P(TrainingOnDevice, TrainsInBf16) {
  const auto here = Make(TrainConfig::CPU, "bf16"), there = Make(TrainConfig::CUDA, "bf16");
  for (int step = 1; step <= 10; ++step) {
    const double want = StepLoss(*here), got = StepLoss(*there);
    ASSERT_NEAR(got, want, 2e-2 * want) << "step " << step;
  }
}

TEST_P(TrainingOnDevice, GoesInTf32AsInF32ButForWhatThatRounds) {
  const auto exact = Make(TrainConfig::CUDA), rounded = Make(TrainConfig::CUDA);
  for (int step = 1; step <= 2; ++step) {
    AllowTf32(true);
    const double got = StepLoss(*rounded);
    AllowTf32(false);
    const double want = StepLoss(*exact);
    // cuBLASLt may round, but need not in products so small; the simulated one does.
    if (GetParam() == Device::kSimulatedCuda) {
      EXPECT_NE(got, want) << "step " << step;
    }
    EXPECT_NEAR(got, want, 5e-3 * want) << "step " << step;
  }
}

TEST_P(TrainingOnDevice, ResumesFromItsCheckpointToTheSameBits) {
  const auto whole = Make(TrainConfig::CUDA), begun = Make(TrainConfig::CUDA),
             resumed = Make(TrainConfig::CUDA);
  for (int step = 0; step < 4; ++step) EXPECT_EQ(StepLoss(*whole), StepLoss(*begun));
  Checkpoint saved = CheckpointOf(*begun);
  // As a file gives it.
  for (NamedTensors* tensors : {&saved.params, &saved.optimizer}) {
    for (auto& [path, x] : *tensors) x = CopyTo(x, Device::kCpu);
  }
  ASSERT_TRUE(resumed->Restore("checkpoint", std::move(saved)).ok());
  for (int step = 0; step < 2; ++step) EXPECT_EQ(StepLoss(*whole), StepLoss(*resumed));
}

TEST_P(TrainingOnDevice, GoesOnTheCpuWhereItWasLeft) {
  const auto here = Make(TrainConfig::CPU), there = Make(TrainConfig::CUDA);
  for (int step = 0; step < 2; ++step) StepLoss(*there);
  ASSERT_TRUE(here->Restore("checkpoint", CheckpointOf(*there)).ok());
  for (const auto& [path, param] : here->params()) EXPECT_EQ(param.device(), Device::kCpu) << path;
  const double want = StepLoss(*there);
  EXPECT_NEAR(StepLoss(*here), want, 1e-4 * want);
}

TEST_P(TrainingOnDevice, GeneratesTheSameText) {
  std::vector<std::string> texts;
  for (const auto device : {TrainConfig::CPU, TrainConfig::CUDA}) {
    std::string& text = texts.emplace_back();
    Generate(Make(device)->model(), "\1\2\3", {.tokens = 5, .temperature = 0}, [&](char c) {
      text.push_back(c);
      return true;
    });
  }
  EXPECT_EQ(texts[0], texts[1]);
}

TEST_P(TrainingOnDevice, SaysWhereNumbersCeasedToBeFinite) {
  const auto trainer = Make(TrainConfig::CUDA);
  Checkpoint broken = CheckpointOf(*trainer);
  Tensor& weight = broken.params.at("embedding.weight");
  weight = Tensor::Full(weight.shape(), NAN, weight.dtype());
  ASSERT_TRUE(trainer->Restore("checkpoint", std::move(broken)).ok());
  StepLoss(*trainer);
  EXPECT_THAT(std::string(trainer->Verify().message()), HasSubstr("parameter embedding.weight"));
}

TEST(Device, IsRefusedWithTheReasonWhereThereIsNone) {
  EXPECT_THAT(std::string(DeviceNamed("tpu").status().message()),
              HasSubstr("device has no value 'tpu'"));
  EXPECT_EQ(*DeviceNamed("CPU"), Device::kCpu);
  if (Allocator::Has(Device::kCuda)) return;
  TrainConfig config;
  config.set_device(TrainConfig::CUDA);
  const absl::Status status = ConfigDevice(config).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()),
              AnyOf("no CUDA device: this program was built without CUDA",
                    "no CUDA device: no NVIDIA driver is installed",
                    "no CUDA device: the driver finds no GPU",
                    HasSubstr("no CUDA device: the driver cannot be used")));
}

}  // namespace
}  // namespace palimpsest
