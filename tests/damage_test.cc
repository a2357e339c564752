// A run directory in which a bit is flipped or a file cut short: the run goes on from what is
// whole, says what is not, and repeats the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/fault_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

class DamageTest : public testing::Test {
 protected:
  DamageTest() {
    const RunToBreak whole;
    EXPECT_EQ(Palimpsest(whole.Args({"steps=6"})).code, 0);
    expected_ = ResultOf(whole.run_dir);
    EXPECT_EQ(Palimpsest(run_.Args()).code, 0);
    fs::copy(run_.run_dir, saved_, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(saved_)) {
      if (entry.is_regular_file() && entry.file_size() > 0)
        files_.push_back(fs::relative(entry.path(), saved_).string());
    }
    EXPECT_GE(files_.size(), 6u);
  }

  // Goes on to six steps with `contents` in place of those of `file`.
  void ExpectGoesOn(const std::string& file, const std::string& contents) const {
    fs::remove_all(run_.run_dir);
    fs::copy(saved_, run_.run_dir, fs::copy_options::recursive);
    const std::string path = run_.run_dir + "/" + file;
    WriteFile(path, contents);
    const ProcessResult result =
        Palimpsest({"train", "--run_dir=" + run_.run_dir, "--resume", "steps=6"});
    ASSERT_EQ(result.code, 0) << result.err;
    const RunResult found = ResultOf(run_.run_dir);
    ExpectSameBits(found, expected_);
    // The run was evaluated whole after what then were its last steps.
    for (const std::string& line : found.metrics) {
      if (line.find("\"step\":4,\"val") != std::string::npos) continue;
      EXPECT_THAT(expected_.metrics, Contains(line));
    }
    if (file.find("step-00000004") == std::string::npos) return;
    EXPECT_THAT(result.out, HasSubstr("ignored  " + path));
  }

  const RunToBreak run_;
  const std::string saved_ = run_.dir + "/saved";
  std::vector<std::string> files_;
  RunResult expected_;
};

TEST_F(DamageTest, AFlippedBit) {
  for (const std::string& file : files_) {
    const std::string whole = ReadFile(saved_ + "/" + file);
    const size_t stride = std::max<size_t>(whole.size() / 24, 1);
    for (size_t at = 0; at < whole.size() && !HasFailure(); at += stride) {
      SCOPED_TRACE(file + " at " + std::to_string(at));
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ 1 << at % 8);
      ExpectGoesOn(file, flipped);
    }
  }
}

TEST_F(DamageTest, AFileCutShort) {
  for (const std::string& file : files_) {
    const std::string whole = ReadFile(saved_ + "/" + file);
    const size_t stride = std::max<size_t>(whole.size() / 12, 1);
    for (size_t size = 0; size < whole.size() && !HasFailure(); size += stride) {
      SCOPED_TRACE(file + " cut to " + std::to_string(size));
      ExpectGoesOn(file, whole.substr(0, size));
    }
  }
}

}  // namespace
}  // namespace palimpsest
