#include "examples/optimizers/study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A small study of two optimizers in a folder of its own.
class StudyTest : public testing::Test {
 protected:
  StudyTest() {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "what is written once is read again, by its key alone. ";
    WriteFile(dir_ + "/text", text);
    const auto config = [&](const char* name, const char* optimizer) {
      WriteFile(dir_ + "/" + name, std::string(R"(
model { width: 16 layers: 1 block { attention { heads: 2 } } }
steps: 12 batch: 2 length: 16 eval_every: 4 log_every: 1 optimizer { )") +
                                       optimizer + " }");
      options_.configs.emplace_back(name, dir_ + "/" + name);
    };
    config("adamw", "name: 'adamw' lr: 0.001");
    config("muon", "name: 'muon' lr: 0.02 auxiliary { name: 'adamw' }");
    options_.overrides = {"data.bytes.path=" + dir_ + "/text"};
    options_.out = dir_ + "/out";
    options_.seeds = 2;
  }

  absl::StatusOr<std::vector<OptimizerStudy>> Run() const {
    const std::unique_ptr<FILE, int (*)(FILE*)> out(std::fopen("/dev/null", "w"), std::fclose);
    Progress progress(out.get());
    return RunStudy(options_, &progress);
  }

  const std::string dir_ = ScratchDir();
  StudyOptions options_;
};

TEST_F(StudyTest, TunesEachAndTrainsWithTheBest) {
  const auto studies = Run();
  ASSERT_TRUE(studies.ok()) << studies.status();
  ASSERT_EQ(studies->size(), 2u);
  for (const OptimizerStudy& study : *studies) {
    EXPECT_GE(study.tuning.size(), 3u);
    for (const auto& [rate, loss] : study.tuning)
      EXPECT_GE(loss, study.tuning.at(study.learning_rate));
    // So small a rate and so few steps: more is better than the config's.
    EXPECT_GT(study.learning_rate, study.name == "adamw" ? 0.001 : 0);
    ASSERT_EQ(study.runs.size(), 2u);
    EXPECT_EQ(study.runs[0].steps, (std::vector<double>{4, 8, 12}));
    EXPECT_NE(study.runs[0].losses, study.runs[1].losses);
    EXPECT_GT(study.seconds_per_step, 0);
    EXPECT_GT(study.state_bytes, 0);
  }
  const std::string muon = ReadFile(dir_ + "/out/muon/seed_1/config.textproto");
  EXPECT_THAT(muon, HasSubstr("lr: " + std::to_string((*studies)[0].learning_rate).substr(0, 5)));

  ASSERT_TRUE(WriteReport(options_, *studies).ok());
  EXPECT_THAT(ReadFile(dir_ + "/out/report.md"),
              AllOf(HasSubstr("| adamw | "), HasSubstr("| muon | "), HasSubstr("2 seeds"),
                    HasSubstr(" ± "), HasSubstr("](loss.svg)")));
  EXPECT_THAT(ReadFile(dir_ + "/out/loss.svg"), AllOf(HasSubstr("muon"), HasSubstr("band")));
  EXPECT_THAT(ReadFile(dir_ + "/out/learning_rate.svg"), HasSubstr("adamw"));
}

TEST_F(StudyTest, FinishedRunsAreReadAndOthersRun) {
  const auto first = Run();
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string kept = dir_ + "/out/adamw/seed_1/metrics.jsonl",
                    lost = dir_ + "/out/muon/seed_2";
  const auto written = std::filesystem::last_write_time(kept);
  std::filesystem::remove_all(lost);
  const auto again = Run();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(std::filesystem::last_write_time(kept), written);
  EXPECT_TRUE(std::filesystem::exists(lost + "/metrics.jsonl"));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*again)[i].tuning, (*first)[i].tuning);
    for (size_t run = 0; run < 2; ++run)
      EXPECT_EQ((*again)[i].runs[run].losses, (*first)[i].runs[run].losses);
  }
}

TEST_F(StudyTest, ResultsOfAnotherConfigAreNotMixedIn) {
  ASSERT_TRUE(Run().ok());
  options_.overrides.push_back("model.width=32");
  EXPECT_THAT(std::string(Run().status().message()),
              AllOf(HasSubstr("out/adamw/lr_"), HasSubstr("model.width (16 -> 32)")));
}

TEST_F(StudyTest, ARunThatDivergesLoses) {
  options_.overrides.push_back("optimizer.lr=1e30");
  options_.configs.pop_back();
  const auto studies = Run();
  ASSERT_TRUE(studies.ok()) << studies.status();
  EXPECT_TRUE(std::isinf((*studies)[0].runs[0].losses.back()));
  EXPECT_TRUE(Run().ok());
  ASSERT_TRUE(WriteReport(options_, *studies).ok());
  EXPECT_THAT(ReadFile(dir_ + "/out/report.md"), HasSubstr("| diverged |"));
}

TEST_F(StudyTest, AdamWComesFirst) {
  options_.configs.erase(options_.configs.begin());
  EXPECT_THAT(std::string(Run().status().message()), HasSubstr("adamw"));
}

}  // namespace
}  // namespace palimpsest
