#include "train/run_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

RunSummary Example() {
  return {.step = 20,
          .tokens = 1280,
          .loss = 1.5,
          .val_loss = NAN,
          .val_accuracy = 0.1,
          .val_sequence_accuracy = 0.05,
          .seconds = 2.25,
          .tokens_per_second = 568.9,
          .cost = {.parameters = 1000,
                   .non_embedding_parameters = 900,
                   .state_bytes = 64,
                   .flops_per_token = 1800.5},
          .version = "v1 <dirty>"};
}

TEST(RunSummary, IsReadAsItWasWritten) {
  const std::string run = ScratchDir();
  ASSERT_TRUE(WriteSummary(run, Example()).ok());
  const absl::StatusOr<RunSummary> read = ReadSummary(run);
  ASSERT_TRUE(read.ok()) << std::string(read.status().message());
  EXPECT_EQ(read->step, 20);
  EXPECT_EQ(read->tokens, 1280);
  EXPECT_EQ(read->loss, 1.5);
  EXPECT_TRUE(std::isnan(read->val_loss));
  EXPECT_EQ(read->val_accuracy, 0.1);
  EXPECT_EQ(read->val_sequence_accuracy, 0.05);
  EXPECT_EQ(read->seconds, 2.25);
  EXPECT_EQ(read->tokens_per_second, 568.9);
  EXPECT_EQ(read->cost.parameters, 1000);
  EXPECT_EQ(read->cost.non_embedding_parameters, 900);
  EXPECT_EQ(read->cost.state_bytes, 64);
  EXPECT_EQ(read->cost.flops_per_token, 1800.5);
  EXPECT_EQ(read->version, "v1 <dirty>");
  EXPECT_THAT(ReadFile(run + "/summary.json"), HasSubstr("\"status\": \"complete\""));
}

TEST(RunSummary, MayLackTheAccuracyOfSequences) {
  const std::string run = ScratchDir();
  RunSummary summary = Example();
  summary.val_sequence_accuracy = NAN;
  ASSERT_TRUE(WriteSummary(run, summary).ok());
  EXPECT_TRUE(std::isnan(ReadSummary(run)->val_sequence_accuracy));
  WriteFile(run + "/summary.json",
            R"({"step": 1, "tokens": 2, "loss": 3, "val_loss": 4, "val_accuracy": 0.5, "seconds": 6,
                "tokens_per_second": 7, "parameters": 8, "non_embedding_parameters": 9,
                "state_bytes": 10, "flops_per_token": 11, "version": "v"})");
  const absl::StatusOr<RunSummary> read = ReadSummary(run);
  ASSERT_TRUE(read.ok()) << std::string(read.status().message());
  EXPECT_EQ(read->val_accuracy, 0.5);
  EXPECT_TRUE(std::isnan(read->val_sequence_accuracy));
}

TEST(RunSummary, SaysWhatIsWrong) {
  const std::string run = ScratchDir();
  EXPECT_EQ(ReadSummary(run).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteSummary(run, Example()).ok());
  const std::string path = run + "/summary.json", text = ReadFile(path);
  WriteFile(path, text.substr(0, text.size() / 2));
  EXPECT_EQ(ReadSummary(run).status().code(), absl::StatusCode::kDataLoss);
  WriteFile(path, R"({"step": "twenty"})");
  EXPECT_THAT(std::string(ReadSummary(run).status().message()), HasSubstr("proper step"));
}

}  // namespace
}  // namespace palimpsest
