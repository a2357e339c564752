// `palimpsest compare` as its users meet it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ablation/run_testing.h"
#include "tests/program_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Two rates, two seeds each.
TEST(Compare, HoldsRunsOfTheProgramAgainstOneAnother) {
  const SmallRun small;
  for (const char* rate : {"0.01", "0.0001"}) {
    for (const char* seed : {"1", "2"}) {
      const std::string run = small.run_dir + "/" + rate + "-" + seed;
      const ProcessResult trained = Palimpsest(small.TrainArgs(
          {"--run_dir=" + run, std::string("seed=") + seed, std::string("optimizer.lr=") + rate}));
      ASSERT_EQ(trained.code, 0) << trained.err;
    }
  }
  const std::string out = small.dir + "/report";
  const ProcessResult compared =
      Palimpsest({"compare", small.run_dir, "--baseline=lr=0.01", "--out=" + out});
  EXPECT_EQ(compared.code, 0) << compared.err;
  EXPECT_EQ(compared.err, "");
  EXPECT_THAT(compared.out,
              AllOf(HasSubstr("lr=0.01"), HasSubstr("lr=0.0001"), HasSubstr("paired, 2 seeds"),
                    HasSubstr("FLOPs/token"), HasSubstr("report: " + out + "/report.html")));
  EXPECT_THAT(NamesIn(out), testing::ElementsAre("report.csv", "report.html", "report.md"));
  EXPECT_THAT(ReadFile(out + "/report.md"), HasSubstr("--baseline=lr=0.01"));
}

TEST(Compare, WritesTheReportOfASweepIntoItsFolder) {
  const std::string dir = WriteFakeSweep();
  const ProcessResult compared = Palimpsest({"compare", dir, "--metric=val_accuracy"});
  EXPECT_EQ(compared.code, 0) << compared.err;
  EXPECT_THAT(compared.out, AllOf(HasSubstr("better"), HasSubstr("Not ranked, for one seed"),
                                  HasSubstr("the loss is nan")));
  EXPECT_LT(compared.out.find("Validation accuracy"), compared.out.find("Validation loss"));
  EXPECT_THAT(NamesIn(dir), Contains("report.html"));
}

TEST(Compare, SaysWhatIsWrong) {
  const std::string empty = ScratchDir(), sweep = WriteFakeSweep();
  const auto problem = [](const std::vector<std::string>& args) {
    std::vector<std::string> all = {"compare"};
    all.insert(all.end(), args.begin(), args.end());
    const ProcessResult result = Palimpsest(all);
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.out, "");
    return result.err;
  };
  EXPECT_THAT(problem({}), HasSubstr("give folders of runs or of sweeps"));
  EXPECT_THAT(problem({empty}), HasSubstr("is no run"));
  EXPECT_THAT(problem({empty + "/none"}), HasSubstr("there is no"));
  EXPECT_THAT(problem({sweep, "--baseline=delta"}), HasSubstr("Known: rule=delta"));
  EXPECT_THAT(problem({sweep, "--metric=speed"}), HasSubstr("Known: val_loss"));
  EXPECT_THAT(problem({sweep + "/x1"}), AllOf(HasSubstr("no run is complete"), HasSubstr("nan")));
  EXPECT_THAT(NamesIn(sweep), Not(Contains("report.html")));
}

}  // namespace
}  // namespace palimpsest
