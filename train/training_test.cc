#include "train/training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "train/checkpoint.h"
#include "train/file_testing.h"
#include "train/proto_text.h"
#include "train/run_summary.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TrainingTest : public testing::Test {
 protected:
  TrainingTest() {
    const absl::Status status = ParseTextProto(
        R"(model { width: 16 block { memory { rule { name: 'gated_delta' } heads: 2 } } dropout: 0.1 }
           data { eval_examples: 10 mqar { vocab: 32 pairs: 2 } }
           batch: 4 length: 16 steps: 20 log_every: 1 eval_every: 4 checkpoint_every: 5
           optimizer { name: 'adamw' lr: 0.01 })",
        "test", &config_);
    EXPECT_TRUE(status.ok()) << std::string(status.message());
  }
  ~TrainingTest() override { fclose(out_); }

  TrainConfig Config(const std::string& dir) const {
    TrainConfig config = config_;
    config.set_run_dir(dir);
    return config;
  }
  std::string Run(const TrainConfig& config, bool resume) {
    Progress progress(out_);
    return std::string(RunTraining(config, resume, &progress).status().message());
  }

  TrainConfig config_;
  FILE* out_ = tmpfile();
};

// Of each line what does not depend on the clock.
std::vector<std::string> Metrics(const std::string& dir) {
  std::vector<std::string> lines;
  std::istringstream text(ReadFile(dir + "/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) {
    nlohmann::json json = nlohmann::json::parse(line);
    for (const char* timed : {"tokens_per_second", "seconds", "crc32c"}) json.erase(timed);
    lines.push_back(json.dump());
  }
  return lines;
}

Checkpoint Newest(const std::string& dir) {
  return LoadNewestCheckpoint(dir + "/checkpoints")->checkpoint;
}

void ExpectSameBits(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [path, x] : a) EXPECT_EQ(x.ToVector(), b.at(path).ToVector()) << path;
}

TEST_F(TrainingTest, TenStepsResumedForTenMoreAreTwenty) {
  const std::string whole = ScratchDir(), halves = ScratchDir();
  ASSERT_EQ(Run(Config(whole), false), "");
  TrainConfig config = Config(halves);
  config.set_steps(10);
  ASSERT_EQ(Run(config, false), "");
  ASSERT_EQ(Run(Config(halves), true), "");

  const std::vector<std::string> expected = Metrics(whole);
  std::vector<std::string> found = Metrics(halves);
  // The first half ended with an evaluation of its own.
  EXPECT_EQ(std::erase_if(found,
                          [](const std::string& line) {
                            return line.find("\"step\":10,\"val") != std::string::npos;
                          }),
            1u);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(Newest(halves).step, 20);
  ExpectSameBits(Newest(halves).params, Newest(whole).params);
  ExpectSameBits(Newest(halves).optimizer, Newest(whole).optimizer);
}

// As after a crash at step 8: the newest checkpoint is of step 5, the metrics go on to 8.
TEST_F(TrainingTest, ResumingFromAnEarlierStepMakesTheSameMetricsAgain) {
  const std::string dir = ScratchDir();
  ASSERT_EQ(Run(Config(dir), false), "");
  const std::vector<std::string> expected = Metrics(dir);
  const Checkpoint last = Newest(dir);
  std::remove(CheckpointPath(dir + "/checkpoints", 20).c_str());
  ASSERT_EQ(Newest(dir).step, 15);
  ASSERT_EQ(Run(Config(dir), true), "");
  EXPECT_EQ(Metrics(dir), expected);
  ExpectSameBits(Newest(dir).params, last.params);
}

TEST_F(TrainingTest, ARunIsNotStartedOverNorResumedAsAnother) {
  const std::string dir = ScratchDir();
  TrainConfig config = Config(dir);
  config.set_steps(5);
  ASSERT_EQ(Run(config, false), "");
  const std::vector<std::string> metrics = Metrics(dir);
  EXPECT_THAT(Run(config, false), AllOf(HasSubstr("already holds a run"), HasSubstr("--resume")));
  config.set_seed(1);
  config.set_batch(8);
  EXPECT_THAT(Run(config, true),
              AllOf(HasSubstr("batch (4 -> 8)"), HasSubstr("seed"), Not(HasSubstr("\n"))));
  EXPECT_EQ(Metrics(dir), metrics);
  EXPECT_EQ(Newest(dir).step, 5);
}

TEST_F(TrainingTest, StopsEarlyWhenAccurateEnoughAndSaves) {
  const std::string dir = ScratchDir();
  TrainConfig config = Config(dir);
  config.set_stop_accuracy(-1);
  ASSERT_EQ(Run(config, false), "");
  EXPECT_EQ(Newest(dir).step, 4);
}

// A length that is learnt by itself does not end a run in which another is not.
TEST_F(TrainingTest, StopsByTheAccuracyOfAllLengthsTogether) {
  TrainConfig config = Config(ScratchDir());
  config.set_steps(3);
  config.set_eval_every(1);
  config.mutable_data()->mutable_parity();
  for (const int64_t length : {4, 16}) config.mutable_data()->add_eval_length(length);
  ASSERT_EQ(Run(config, false), "");
  const auto first = nlohmann::json::parse(Metrics(config.run_dir())[1]);
  const double mean = first["val_accuracy"];
  double most = 0;
  for (const auto& [length, accuracy] : first["val_slices"].items())
    most = std::max(most, accuracy.get<double>());
  ASSERT_GT(most, mean);
  const auto last_step = [&](double stop_accuracy) {
    config.set_run_dir(ScratchDir());
    config.set_steps(2);
    config.set_stop_accuracy(stop_accuracy);
    EXPECT_EQ(Run(config, false), "");
    return Newest(config.run_dir()).step;
  };
  EXPECT_EQ(last_step(mean - 1e-6), 1);
  EXPECT_EQ(last_step((mean + most) / 2), 2);
}

TEST_F(TrainingTest, AFullDiskLosesNothing) {
  const std::string dir = ScratchDir();
  TrainConfig config = Config(dir);
  config.set_steps(5);
  ASSERT_EQ(Run(config, false), "");
  const std::vector<std::string> metrics = Metrics(dir);
  config.set_steps(20);
  {
    const FileSizeLimit full(16384);
    EXPECT_THAT(Run(config, true), AllOf(HasSubstr("step-00000010"), HasSubstr("large")));
  }
  EXPECT_EQ(Newest(dir).step, 5);
  const std::vector<std::string> after = Metrics(dir);
  ASSERT_GE(after.size(), metrics.size());
  EXPECT_TRUE(std::equal(metrics.begin(), metrics.end(), after.begin()));
  EXPECT_EQ(Run(config, true), "");
  EXPECT_EQ(Newest(dir).step, 20);
}

TEST_F(TrainingTest, AllCheckpointsBrokenIsAnErrorNotANewStart) {
  const std::string dir = ScratchDir();
  TrainConfig config = Config(dir);
  config.set_steps(5);
  ASSERT_EQ(Run(config, false), "");
  const std::vector<std::string> metrics = Metrics(dir);
  const std::string path = CheckpointPath(dir + "/checkpoints", 5);
  WriteFile(path, ReadFile(path).substr(0, 1000));
  EXPECT_THAT(Run(config, true), HasSubstr("step-00000005"));
  EXPECT_EQ(Metrics(dir), metrics);
}

TEST_F(TrainingTest, ACompleteRunHasASummaryAndIsNotEvaluatedAgain) {
  const std::string dir = ScratchDir();
  ASSERT_EQ(Run(Config(dir), false), "");
  const absl::StatusOr<RunSummary> summary = ReadSummary(dir);
  ASSERT_TRUE(summary.ok()) << std::string(summary.status().message());
  const nlohmann::json last = nlohmann::json::parse(Metrics(dir).back());
  EXPECT_EQ(summary->step, 20);
  EXPECT_EQ(summary->tokens, 20 * 4 * 16);
  EXPECT_EQ(summary->val_loss, last["val_loss"].get<double>());
  EXPECT_EQ(summary->val_accuracy, last["val_accuracy"].get<double>());
  EXPECT_GT(summary->seconds, 0);
  EXPECT_GT(summary->cost.flops_per_token, 2 * summary->cost.non_embedding_parameters);

  const std::string text = ReadFile(RunSummaryPath(dir)),
                    metrics = ReadFile(dir + "/metrics.jsonl");
  ASSERT_EQ(Run(Config(dir), true), "");
  EXPECT_EQ(ReadFile(RunSummaryPath(dir)), text);
  EXPECT_EQ(ReadFile(dir + "/metrics.jsonl"), metrics);
}

// As after a crash in the last evaluation, and with a summary cut short.
TEST_F(TrainingTest, ALostSummaryIsMadeAgainWithoutTraining) {
  const std::string dir = ScratchDir();
  ASSERT_EQ(Run(Config(dir), false), "");
  const std::string path = RunSummaryPath(dir), text = ReadFile(path);
  std::remove(path.c_str());
  ASSERT_EQ(Run(Config(dir), true), "");
  EXPECT_EQ(ReadFile(path), text);
  WriteFile(path, text.substr(0, 40));
  ASSERT_EQ(Run(Config(dir), true), "");
  EXPECT_EQ(ReadFile(path), text);
}

TEST_F(TrainingTest, ARunThatGoesOnHasNoSummaryButTheNextAndCountsItsWholeTime) {
  const std::string dir = ScratchDir();
  TrainConfig config = Config(dir);
  config.set_steps(10);
  ASSERT_EQ(Run(config, false), "");
  const double half = ReadSummary(dir)->seconds;
  config.set_steps(20);
  {
    // The next checkpoint does not fit: the run is not complete.
    const FileSizeLimit full(16384);
    EXPECT_NE(Run(config, true), "");
  }
  EXPECT_EQ(ReadSummary(dir).status().code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(Run(config, true), "");
  EXPECT_EQ(ReadSummary(dir)->step, 20);
  EXPECT_GT(ReadSummary(dir)->seconds, half);
  EXPECT_NEAR(ReadSummary(dir)->tokens_per_second * ReadSummary(dir)->seconds, 20 * 4 * 16, 4 * 16);
}

}  // namespace
}  // namespace palimpsest
