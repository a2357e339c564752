#include "ablation/sweep_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

TEST(SweepManifest, IsReadAsItWasWritten) {
  const std::string dir = ScratchDir();
  const SweepManifest manifest{
      .title = "rules <x>",
      .baseline = "delta",
      .metric = "val_accuracy",
      .program = "abc",
      .directory = "/here",
      .rows = {{"delta", "1f", {{1, "runs/1f-s1", "complete"}, {2, "runs/1f-s2", "non-finite"}}},
               {"none", "2f", {}}}};
  ASSERT_TRUE(WriteSweepManifest(dir, manifest).ok());
  const absl::StatusOr<SweepManifest> read = ReadSweepManifest(dir);
  ASSERT_TRUE(read.ok()) << std::string(read.status().message());
  EXPECT_EQ(read->title, "rules <x>");
  EXPECT_EQ(read->baseline, "delta");
  EXPECT_EQ(read->metric, "val_accuracy");
  EXPECT_EQ(read->program, "abc");
  EXPECT_EQ(read->directory, "/here");
  ASSERT_EQ(read->rows.size(), 2u);
  EXPECT_EQ(read->rows[0].name, "delta");
  EXPECT_EQ(read->rows[0].id, "1f");
  ASSERT_EQ(read->rows[0].runs.size(), 2u);
  EXPECT_EQ(read->rows[0].runs[1].seed, 2u);
  EXPECT_EQ(read->rows[0].runs[1].dir, "runs/1f-s2");
  EXPECT_FALSE(read->rows[0].runs[0].failed());
  EXPECT_TRUE(read->rows[0].runs[1].failed());
  EXPECT_TRUE(read->rows[1].runs.empty());
}

TEST(SweepManifest, SaysWhatIsWrong) {
  const std::string dir = ScratchDir(), path = SweepManifestPath(dir);
  const auto problem = [&](const std::string& text) {
    WriteFile(path, text);
    return std::string(ReadSweepManifest(dir).status().message());
  };
  EXPECT_THAT(problem("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(problem("{"), HasSubstr(path));
  EXPECT_THAT(problem(R"({"title": "a"})"), HasSubstr("list of objects \"rows\""));
  EXPECT_THAT(problem(R"({"title": "a", "rows": [1]})"), HasSubstr("list of objects \"rows\""));
  EXPECT_THAT(problem(R"({"title": "a", "rows": [{"name": "x", "id": "y", "runs": [{}]}]})"),
              HasSubstr("number \"seed\""));
  EXPECT_THAT(problem(R"({"title": 3, "rows": []})"), HasSubstr("text \"title\""));
}

}  // namespace
}  // namespace palimpsest
