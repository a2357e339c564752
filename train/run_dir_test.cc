#include "train/run_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string FreshPath(const std::string& name) {
  const std::string path = testing::TempDir() + "/run_dir_" + name;
  std::filesystem::remove_all(path);
  return path;
}

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(RunDir, ARunIsNotOverwritten) {
  const std::string path = FreshPath("twice");
  for (int begun = 0; begun < 2; ++begun) {  // Before its first result a run may begin again.
    const auto dir = RunDir::Open(path, false);
    ASSERT_TRUE(dir.ok()) << begun;
    ASSERT_TRUE((*dir)->WriteConfig("steps: 1\n", "v1").ok());
    ASSERT_TRUE((*dir)->OpenMetrics(0).ok());
    if (begun == 0) continue;
    ASSERT_TRUE((*dir)->AppendMetrics({{"step", 1}}).ok());
  }
  EXPECT_EQ(Read(path + "/config.textproto"), "steps: 1\n");
  EXPECT_EQ(Read(path + "/version"), "v1\n");
  const auto again = RunDir::Open(path, false);
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.status().message()), AllOf(HasSubstr(path), HasSubstr("--resume")));
  EXPECT_TRUE(RunDir::Open(path, true).ok());
}

TEST(RunDir, OneProcessAtATime) {
  const std::string path = FreshPath("lock");
  const auto first = *RunDir::Open(path, false);
  EXPECT_THAT(std::string(RunDir::Open(path, true).status().message()),
              HasSubstr("another process"));
}

TEST(RunDir, ResumingDropsOnlyWhatWillBeMadeAgain) {
  const std::string path = FreshPath("metrics");
  {
    const auto dir = *RunDir::Open(path, false);
    ASSERT_TRUE(dir->OpenMetrics(0).ok());
    for (int step : {1, 2, 3})
      ASSERT_TRUE(dir->AppendMetrics({{"step", step}, {"loss", 0.5}}).ok());
  }
  std::ofstream(path + "/metrics.jsonl", std::ios::app) << "a note\n{\"step\": 2, \"lo";
  const auto dir = *RunDir::Open(path, true);
  ASSERT_TRUE(dir->OpenMetrics(2).ok());
  ASSERT_TRUE(dir->AppendMetrics({{"step", 3}}).ok());
  EXPECT_EQ(Read(path + "/metrics.jsonl"),
            "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.5}\na note\n{\"step\":3}\n");
}

}  // namespace
}  // namespace palimpsest
