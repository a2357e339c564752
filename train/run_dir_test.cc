#include "train/run_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "train/sealed_text.h"

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
    ASSERT_TRUE((*dir)->OpenMetrics(0, false).ok());
    if (begun == 0) continue;
    ASSERT_TRUE((*dir)->metrics().Append({{"step", 1}}).ok());
  }
  EXPECT_EQ(Read(path + "/config.textproto"), SealTextProto("steps: 1\n"));
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

}  // namespace
}  // namespace palimpsest
