#include "ablation/sweep_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "ablation/sweep_testing.h"
#include "absl/strings/str_replace.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTwo[] = R"(axis { field: "model.width" value: "8" value: "16" } seeds: 2)";

// What Prepare says to one who comes back to `dir`.
std::string Again(const std::string& dir, const SweepPlan* plan, OnChange config,
                  OnChange program) {
  const auto sweep = SweepDir::Open(dir + "/sweep");
  EXPECT_TRUE(sweep.ok()) << sweep.status();
  return std::string((*sweep)->Prepare(plan, {dir + "/fake", {}}, config, program).message());
}

TEST(SweepDir, FreezesEverythingThatRunsDependOn) {
  const std::string dir = ScratchDir();
  const auto sweep = FakeSweep(dir, TinyPlan(kTwo));
  EXPECT_THAT(NamesIn(dir + "/sweep"),
              ElementsAre("configs", "lock", "program", "runs", "sweep.json", "sweep.textproto"));
  EXPECT_EQ(ReadFile(dir + "/sweep/program"), ReadFile(dir + "/fake"));
  const SweepManifest& manifest = sweep->manifest();
  ASSERT_EQ(manifest.rows.size(), 2u);
  EXPECT_EQ(manifest.baseline, "width=8");
  EXPECT_EQ(manifest.directory, std::filesystem::current_path().string());
  const SweepManifest::Run& run = manifest.rows[1].runs[1];
  EXPECT_EQ(run.dir, "runs/" + manifest.rows[1].id + "-s2");
  const auto config = sweep->Config(run);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seed(), 2u);
  EXPECT_EQ(config->model().width(), 16);
}

TEST(SweepDir, IsForOneProcessAtATime) {
  const std::string dir = ScratchDir();
  auto sweep = FakeSweep(dir, TinyPlan(""));
  EXPECT_THAT(std::string(SweepDir::Open(dir + "/sweep").status().message()),
              HasSubstr("another process is running the sweep"));
  sweep.reset();
  EXPECT_TRUE(SweepDir::Open(dir + "/sweep").ok());
}

TEST(SweepDir, GoesOnWithTheSameAndWithWhatIsFrozen) {
  const std::string dir = ScratchDir();
  const SweepPlan plan = TinyPlan(kTwo);
  FakeSweep(dir, plan);
  EXPECT_EQ(Again(dir, &plan, OnChange::kRefuse, OnChange::kRefuse), "");
  EXPECT_EQ(Again(dir, nullptr, OnChange::kRefuse, OnChange::kRefuse), "");
  const auto empty = SweepDir::Open(dir + "/empty");
  EXPECT_THAT(
      std::string((*empty)
                      ->Prepare(nullptr, {dir + "/fake", {}}, OnChange::kRefuse, OnChange::kRefuse)
                      .message()),
      HasSubstr("holds no sweep"));
}

TEST(SweepDir, RefusesAnotherConfigUnlessTold) {
  const std::string dir = ScratchDir();
  const std::string id = FakeSweep(dir, TinyPlan(kTwo))->manifest().rows[0].id;
  const SweepPlan other =
      TinyPlan(R"(axis { field: "model.width" value: "8" value: "32" } set: "steps=5" seeds: 3)");
  const std::string refused = Again(dir, &other, OnChange::kRefuse, OnChange::kRefuse);
  EXPECT_THAT(refused,
              AllOf(HasSubstr("row \"width=8\": steps (3 -> 5)"),
                    HasSubstr("row \"width=32\" is new"), HasSubstr("row \"width=16\" is gone"),
                    HasSubstr("seeds (1, 2 -> 1, 2, 3)"), HasSubstr("--config=new")));
  EXPECT_EQ(Again(dir, &other, OnChange::kFrozen, OnChange::kRefuse), "");
  EXPECT_EQ(ReadSweepManifest(dir + "/sweep")->rows[0].id, id);
  EXPECT_EQ(Again(dir, &other, OnChange::kNew, OnChange::kRefuse), "");
  const auto manifest = ReadSweepManifest(dir + "/sweep");
  EXPECT_NE(manifest->rows[0].id, id);
  EXPECT_EQ(manifest->rows[0].runs.size(), 3u);
}

TEST(SweepDir, KeepsWhatIsKnownOfRunsWhenSeedsAreAdded) {
  const std::string dir = ScratchDir();
  {
    const auto sweep = FakeSweep(dir, TinyPlan("seeds: 1"));
    ASSERT_TRUE(sweep->SetStatus(0, 0, "not finite").ok());
  }
  const SweepPlan more = TinyPlan("seeds: 2");
  EXPECT_EQ(Again(dir, &more, OnChange::kNew, OnChange::kRefuse), "");
  const auto manifest = ReadSweepManifest(dir + "/sweep");
  EXPECT_EQ(manifest->rows[0].runs[0].status, "not finite");
  EXPECT_EQ(manifest->rows[0].runs[1].status, "waiting");
}

TEST(SweepDir, RefusesAnotherProgramUnlessTold) {
  const std::string dir = ScratchDir();
  const SweepPlan plan = TinyPlan("");
  FakeSweep(dir, plan);
  const std::string first = ReadFile(dir + "/fake");
  WriteFile(dir + "/fake", "another");
  EXPECT_THAT(Again(dir, &plan, OnChange::kRefuse, OnChange::kRefuse),
              AllOf(HasSubstr("begun with another program"), HasSubstr("--program=frozen")));
  EXPECT_EQ(Again(dir, nullptr, OnChange::kRefuse, OnChange::kFrozen), "");
  EXPECT_EQ(ReadFile(dir + "/sweep/program"), first);
  EXPECT_EQ(Again(dir, nullptr, OnChange::kRefuse, OnChange::kNew), "");
  EXPECT_EQ(ReadFile(dir + "/sweep/program"), "another");
  EXPECT_EQ(Again(dir, nullptr, OnChange::kRefuse, OnChange::kRefuse), "");
}

TEST(SweepDir, SeesWhatWasTouchedAfterItWasFrozen) {
  const std::string dir = ScratchDir();
  const SweepPlan plan = TinyPlan("seeds: 1");
  std::string config;
  {
    const auto sweep = FakeSweep(dir, plan);
    config = sweep->ConfigPath(sweep->manifest().rows[0].runs[0]);
  }
  const std::string text = ReadFile(config);
  WriteFile(config, absl::StrReplaceAll(text, {{"steps: 3", "steps: 4"}}));
  EXPECT_THAT(Again(dir, nullptr, OnChange::kRefuse, OnChange::kRefuse),
              HasSubstr("was changed after it was frozen"));
  EXPECT_EQ(Again(dir, &plan, OnChange::kNew, OnChange::kRefuse), "");
  WriteFile(dir + "/sweep/program", "other bytes");
  EXPECT_THAT(Again(dir, nullptr, OnChange::kRefuse, OnChange::kRefuse),
              HasSubstr("program is not what was frozen there"));
  EXPECT_EQ(Again(dir, nullptr, OnChange::kRefuse, OnChange::kNew), "");
}

TEST(SweepDir, SaysWhereADiskIsFull) {
  const std::string dir = ScratchDir();
  const SweepPlan plan = TinyPlan("");
  const SweepProgram program = FakeProgram(dir);
  const auto sweep = SweepDir::Open(dir + "/sweep");
  absl::Status full;
  {
    const FileSizeLimit limit(100);
    full = (*sweep)->Prepare(&plan, program, OnChange::kRefuse, OnChange::kRefuse);
  }
  EXPECT_THAT(std::string(full.message()), HasSubstr("/sweep/program"));
  EXPECT_TRUE((*sweep)->Prepare(&plan, program, OnChange::kRefuse, OnChange::kRefuse).ok());
}

}  // namespace
}  // namespace palimpsest
