#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "train/config.h"
#include "train/trainer.h"

namespace palimpsest {
namespace {

std::vector<std::string> Configs() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator("examples/tasks"))
    if (entry.path().extension() == ".textproto") paths.push_back(entry.path().string());
  return paths;
}

TEST(Configs, TakeAStep) {
  EXPECT_GE(Configs().size(), 8u);
  for (const std::string& path : Configs()) {
    SCOPED_TRACE(path);
    absl::StatusOr<TrainConfig> config = LoadConfig(path, {"batch=2"});
    ASSERT_TRUE(config.ok()) << config.status();
    const auto trainer = Trainer::Create(*config);
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    const absl::StatusOr<StepResult> result = (*trainer)->Step();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_GT(result->grad_norm(), 0);
  }
}

// What an overlay is named for is what it says.
TEST(Configs, OverlaysSetTheStrength) {
  for (const int max : {1, 2}) {
    for (const std::string task : {"parity", "s3_steps_1", "s3_steps_2"}) {
      const std::string path =
          "examples/tasks/" + task + "_strength_" + std::to_string(max) + ".textproto";
      const absl::StatusOr<TrainConfig> config = LoadConfig(path, {});
      ASSERT_TRUE(config.ok()) << config.status();
      const ModelConfig::Memory& memory = config->model().block(0).memory();
      ASSERT_EQ(memory.gate_size(), 1);
      EXPECT_EQ(memory.gate(0).name(), "beta");
      EXPECT_EQ(memory.gate(0).max(), max);
      if (task != "parity") {
        EXPECT_EQ(memory.rule().params().at("n"), task.back() - '0');
      }
    }
  }
}

}  // namespace
}  // namespace palimpsest
