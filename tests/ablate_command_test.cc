// `palimpsest ablate` as its users meet it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/program_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Two rules on associative recall, a second or so a run at most.
constexpr char kSweep[] = R"(
title: "rules"
base: "base"
axis { field: "model.block.0.memory.rule.name" value: "hebbian" value: "delta" }
seeds: 2
)";
constexpr char kBase[] = R"(
model { width: 16 block { memory { rule { name: "delta" } heads: 1 } mlp { kind: NONE } } }
data { eval_examples: 16 mqar { vocab: 64 pairs: 4 } }
steps: 20
batch: 4
length: 32
log_every: 1
eval_every: 0
checkpoint_every: 5
optimizer { name: "adamw" lr: 0.01 }
)";

class AblateTest : public ::testing::Test {
 protected:
  AblateTest() : dir_(ScratchDir()), out_(std::filesystem::canonical(dir_).string() + "/out") {
    WriteFile(dir_ + "/base", kBase);
    WriteFile(dir_ + "/sweep", kSweep);
  }
  std::vector<std::string> Args(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = {"ablate", "--sweep=" + dir_ + "/sweep", "--out=" + out_,
                                     "--jobs=2", "--threads=1"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  // All bytes that runs came to, but for what the clock wrote.
  std::string Checkpoints() const {
    std::string all;
    for (const std::string& run : NamesIn(out_ + "/runs")) {
      const std::string folder = out_ + "/runs/" + run + "/checkpoints";
      all += run + ReadFile(folder + "/" + NamesIn(folder).back());
    }
    return all;
  }

  const std::string dir_, out_;
};

TEST_F(AblateTest, ListsRowsAndStartsNothing) {
  const ProcessResult result = Palimpsest(Args({"--dry_run"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("rule=hebbian"), HasSubstr("rule=delta"),
                                HasSubstr("2 rows x 2 seeds (1, 2) = 4 runs")));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

// The sweeps that come with the library.
TEST_F(AblateTest, TakesEveryExample) {
  std::vector<std::string> sweeps{"examples/quickstart/sweep.textproto"};
  for (const auto& entry : std::filesystem::directory_iterator("examples/sweeps"))
    if (entry.path().extension() == ".textproto") sweeps.push_back(entry.path().string());
  EXPECT_GE(sweeps.size(), 4u);
  for (const std::string& sweep : sweeps) {
    const ProcessResult result =
        Palimpsest({"ablate", "--sweep=" + sweep, "--out=" + out_, "--dry_run"});
    EXPECT_EQ(result.code, 0) << sweep << ": " << result.err;
  }
}

TEST_F(AblateTest, TrainsComparesAndSkipsWhatIsComplete) {
  const ProcessResult first = Palimpsest(Args());
  EXPECT_EQ(first.code, 0) << first.err << first.out;
  EXPECT_THAT(first.out, AllOf(HasSubstr("done    rule=delta"), HasSubstr("report: ")));
  EXPECT_TRUE(std::filesystem::exists(out_ + "/report.html"));
  const std::string before = Checkpoints();
  const ProcessResult again = Palimpsest({"ablate", "--out=" + out_});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr("4 complete"), Not(HasSubstr("done    rule"))));
  EXPECT_EQ(Checkpoints(), before);
}

TEST_F(AblateTest, SaysWhatIsWrongBeforeAnythingRuns) {
  ProcessResult result = Palimpsest(Args({"model.widht=8"}));
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("did you mean 'width'?"));
  result = Palimpsest({"ablate"});
  EXPECT_THAT(result.err, HasSubstr("give --sweep=FILE"));
  result = Palimpsest(Args({"--config=old"}));
  EXPECT_THAT(result.err, HasSubstr("--config: there is no 'old'. Known: frozen, new"));
  result = Palimpsest({"ablate", "--out=" + out_});
  EXPECT_THAT(result.err, HasSubstr(out_ + " holds no sweep to go on with"));
  result = Palimpsest(Args({"model.width=1000000", "model.block.0.memory.heads=50000"}));
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("/sweep: row \"rule=hebbian\": "), HasSubstr("model.width 1000000")));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(AblateTest, GoesOnWithADivergedRunBeside) {
  const ProcessResult result =
      Palimpsest(Args({"optimizer.lr=1e30", "optimizer.clip_norm=0", "steps=40"}));
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("not finite; its log is " + out_), HasSubstr("palimpsest: step ")));
}

// Stopped in any way and gone on with, it comes to the same bits.
TEST_F(AblateTest, ComesToTheSameBitsAfterCtrlCAndAfterKill) {
  ASSERT_EQ(Palimpsest(Args({"steps=200"})).code, 0);
  const std::string whole = Checkpoints();
  for (const int signal : {SIGINT, SIGKILL}) {
    std::filesystem::remove_all(out_);
    Process process(PalimpsestCommand(Args({"steps=200"})));
    process.WaitFor("done    ");  // Two runs in, others begin.
    process.Signal(signal);
    const ProcessResult stopped = process.Wait();
    EXPECT_EQ(stopped.code, signal == SIGINT ? 75 : 128 + SIGKILL) << stopped.out;
    const ProcessResult result = Palimpsest({"ablate", "--out=" + out_, "--threads=1"});
    EXPECT_EQ(result.code, 0) << result.err << result.out;
    EXPECT_THAT(result.out, HasSubstr("complete"));
    EXPECT_EQ(Checkpoints(), whole) << signal;
  }
}

TEST_F(AblateTest, WritesAJobArray) {
  const ProcessResult result = Palimpsest(Args({"--slurm"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("submit with: sbatch " + out_ + "/slurm.sh"));
}

}  // namespace
}  // namespace palimpsest
