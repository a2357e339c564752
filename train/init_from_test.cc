#include "train/init_from.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "train/checkpoint.h"
#include "train/file_testing.h"
#include "train/progress.h"
#include "train/proto_text.h"
#include "train/trainer.h"
#include "train/training.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kRun[] = R"(
  data { eval_examples: 10 mqar { vocab: 32 pairs: 2 } }
  batch: 4 length: 16 steps: 4 log_every: 1
  optimizer { name: 'adamw' lr: 0.01 }
)";

// Attention and whatever else the block has.
TrainConfig Config(const std::string& block) {
  TrainConfig config;
  const absl::Status status = ParseTextProto(
      std::string(kRun) + "model { width: 16 layers: 2 block { attention { heads: 2 } " + block +
          " } }",
      "test", &config);
  EXPECT_TRUE(status.ok()) << std::string(status.message());
  return config;
}

class InitFrom : public testing::Test {
 protected:
  InitFrom() : run_(ScratchDir()) {
    TrainConfig config = Config("mlp { hidden: 24 }");
    config.set_run_dir(run_);
    EXPECT_EQ(Train(config, /*resume=*/false), "");
  }
  ~InitFrom() override { fclose(out_); }

  std::string Train(const TrainConfig& config, bool resume) {
    Progress progress(out_);
    return std::string(RunTraining(config, resume, &progress).status().message());
  }
  std::string SavedFile() const { return LoadNewestCheckpoint(run_ + "/checkpoints")->path; }
  std::string Problem(const std::string& block) {
    TrainConfig config = Config(block);
    config.set_init_from(run_);
    return std::string(Trainer::Create(config).status().message());
  }
  double Loss(const std::string& block, const std::string& init_from) {
    TrainConfig config = Config(block);
    config.set_init_from(init_from);
    auto trainer = Trainer::Create(config);
    EXPECT_TRUE(trainer.ok()) << std::string(trainer.status().message());
    return (*trainer)->Evaluate().loss();
  }

  const std::string run_;
  FILE* out_ = tmpfile();
};

TEST_F(InitFrom, LevelsThatLearnNothingAreTheMlpTheyCameFrom) {
  const double loss = Loss("mlp { hidden: 24 }", run_);
  const std::string level = "level { period: 4 rate: 1e-30 mlp { hidden: 24 } } ";
  EXPECT_EQ(Loss("mlp { hidden: 24 }", SavedFile()), loss);
  EXPECT_EQ(Loss("cms { level { mlp { hidden: 24 } } }", run_), loss);
  for (const std::string order : {"SEQUENTIAL", "NESTED", "INDEPENDENT"})
    EXPECT_NEAR(Loss("cms { order: " + order + " " + level + level + level + "}", run_), loss, 1e-6)
        << order;
  EXPECT_GT(std::abs(Loss("cms { level { period: 4 rate: 1 mlp { hidden: 24 } } }", run_) - loss),
            1e-4);
}

TEST_F(InitFrom, NamesBothSidesOfWhatDoesNotFit) {
  EXPECT_THAT(Problem("cms { level { mlp { hidden: 24 } } level { mlp { hidden: 8 } } }"),
              AllOf(HasSubstr(run_), HasSubstr("blocks.0.mlp.levels.1.up.weight is [8,16], and "
                                               "blocks.0.mlp.up.weight there is [24,16]")));
  EXPECT_THAT(Problem("cms { level { mlp { hidden: 24 kind: GELU } } }"),
              HasSubstr("blocks.1.mlp.gate.weight there is nothing in this model"));
  EXPECT_THAT(Problem("mlp { hidden: 24 } ").c_str(), testing::StrEq(""));
  EXPECT_THAT(Problem("cms { residual: false level { mlp { hidden: 24 } } "
                      "level { mlp { hidden: 24 } } }"),
              HasSubstr("model.block.0.cms.residual: "));
  TrainConfig config = Config("mlp { hidden: 24 }");
  config.set_init_from(run_ + "/nowhere");
  EXPECT_THAT(std::string(Trainer::Create(config).status().message()),
              AllOf(HasSubstr("init_from: "), HasSubstr("nowhere")));
}

TEST_F(InitFrom, ARunThatHasBegunNeedsItNoMore) {
  TrainConfig config = Config("cms { level { period: 4 mlp { hidden: 24 } } }");
  const std::string dir = ScratchDir();
  config.set_run_dir(dir);
  config.set_init_from(run_);
  config.set_steps(2);
  ASSERT_EQ(Train(config, /*resume=*/false), "");
  std::filesystem::remove_all(run_);
  config.set_steps(4);
  EXPECT_EQ(Train(config, /*resume=*/true), "");
}

// A level whose writes are lost is reported where the run is watched.
TEST_F(InitFrom, TrainingReportsADeadLevel) {
  TrainConfig config = Config("cms { level { period: 4 rate: 1e-30 mlp { hidden: 24 } } }");
  config.set_steps(7);
  config.set_run_dir(ScratchDir());
  ASSERT_EQ(Train(config, /*resume=*/false), "");
  std::string text(1 << 16, '\0');
  std::rewind(out_);
  text.resize(fread(text.data(), 1, text.size(), out_));
  EXPECT_THAT(text, HasSubstr("warning: blocks.1.mlp.levels.0 is dead: up to step 5"));
}

}  // namespace
}  // namespace palimpsest
