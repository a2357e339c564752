// The program palimpsest as its users meet it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <sstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/program_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// But for those that name a file, which may be long.
void ExpectFits80Columns(const std::string& text, const std::string& file) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!file.empty() && line.find(file) != std::string::npos) continue;
    EXPECT_LE(line.size(), 80u) << line;
  }
}

// Steps and losses, of training and validation.
std::vector<std::string> Losses(const std::string& run_dir) {
  std::vector<std::string> losses;
  std::istringstream text(ReadFile(run_dir + "/metrics.jsonl"));
  for (std::string line; std::getline(text, line);) {
    nlohmann::json json = nlohmann::json::parse(line);
    for (const char* timed : {"tokens_per_second", "seconds", "crc32c"}) json.erase(timed);
    losses.push_back(json.dump());
  }
  return losses;
}

TEST(Program, TrainsEvaluatesAndGenerates) {
  const SmallRun run;
  const ProcessResult trained = Palimpsest(run.TrainArgs());
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.err, "");
  EXPECT_THAT(trained.out,
              AllOf(HasSubstr("parameters"), HasSubstr("step 6/6  loss "), HasSubstr("val loss"),
                    HasSubstr("tok/s"), Not(HasSubstr("\x1b"))));
  ExpectFits80Columns(trained.out, run.run_dir);
  EXPECT_THAT(NamesIn(run.run_dir),
              AllOf(Contains("config.textproto"), Contains("version"), Contains("metrics.jsonl"),
                    Contains("checkpoints"), Contains("tensorboard")));
  EXPECT_EQ(NamesIn(run.run_dir + "/checkpoints").size(), 2u);

  const ProcessResult scored = Palimpsest({"eval", "--run=" + run.run_dir});
  EXPECT_EQ(scored.code, 0) << scored.err;
  const std::string loss = scored.out.substr(scored.out.find("val loss"), 15);
  EXPECT_THAT(trained.out, HasSubstr(loss));

  const std::vector<std::string> generate = {"generate", "--run=" + run.run_dir, "--prompt=the mem",
                                             "--tokens=20"};
  const ProcessResult text = Palimpsest(generate);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, StartsWith("the mem"));
  EXPECT_EQ(text.out.size(), 7 + 20 + 1u);
  EXPECT_EQ(Palimpsest(generate).out, text.out);
}

TEST(Program, CountsTheParametersOfAModel) {
  const std::string config = "--config=" + ScratchDir() + "/model.textproto";
  WriteFile(config.substr(9),
            "model { vocab_size: 10 width: 8 block { attention { heads: 2 } mlp { kind: NONE } } } "
            "length: 5");
  const ProcessResult counted = Palimpsest({"params", config, "model.layers=2", "--flops"});
  ASSERT_EQ(counted.code, 0) << counted.err;
  // 2 x 10 x 8, 2 layers of 4 x 8 x 8 and a norm each, the last norm; 2 x 2 x 5 x 8 f32 of cache.
  EXPECT_THAT(counted.out,
              AllOf(ContainsRegex("parameters +696"), ContainsRegex("without embeddings +536"),
                    ContainsRegex("blocks.mixer +512"), ContainsRegex("state at token 5 +640 B"),
                    HasSubstr("FLOPs a token")));
  const ProcessResult large = Palimpsest({"params", config, "model.width=4096", "model.layers=24"});
  EXPECT_THAT(large.out, ContainsRegex("blocks.mixer +1,610,612,736"));
  EXPECT_THAT(Palimpsest({"params"}).err, HasSubstr("give --config=FILE"));
}

TEST(Program, EvaluatesTheAverageOfTheWeightsThatTrainingDoes) {
  const SmallRun run, plain;
  const ProcessResult trained = Palimpsest(run.TrainArgs({"optimizer.average_keep=0.9"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::string loss = trained.out.substr(trained.out.rfind("val loss"), 15);
  EXPECT_THAT(Palimpsest({"eval", "--run=" + run.run_dir}).out, HasSubstr(loss));
  const ProcessResult without = Palimpsest(plain.TrainArgs());
  EXPECT_THAT(without.out, Not(HasSubstr(loss)));
}

TEST(Program, StoppedBySignalsItGoesOnToTheSameBits) {
  const SmallRun whole, stopped;
  const std::vector<std::string> longer = {"steps=3000", "checkpoint_every=0", "eval_every=0"};
  ASSERT_EQ(Palimpsest(whole.TrainArgs(longer)).code, 0);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::vector<std::string> args = stopped.TrainArgs(longer);
    args.emplace_back("--resume");
    Process process(PalimpsestCommand(args));
    process.WaitFor("/3000  loss");
    process.Signal(signal);
    const ProcessResult result = process.Wait();
    EXPECT_EQ(result.code, 75) << result.err;
    EXPECT_THAT(result.out, HasSubstr("--resume"));
    EXPECT_LT(Losses(stopped.run_dir).size(), 3000u);
  }
  const ProcessResult rest = Palimpsest({"train", "--run_dir=" + stopped.run_dir, "--resume"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  std::vector<std::string> expected = Losses(whole.run_dir);
  EXPECT_EQ(Losses(stopped.run_dir), expected);
}

// All is saved by then: it does not wait for the evaluation of everything.
TEST(Program, ASignalEndsTheLastEvaluation) {
  const SmallRun run;
  std::string words;
  while (words.size() < 200000) words += "the memory maps keys to values. ";
  WriteFile(run.dir + "/val", words);
  std::vector<std::string> args =
      run.TrainArgs({"steps=2", "threads=1", "data.bytes.val_path=" + run.dir + "/val"});
  Process process(PalimpsestCommand(args));
  process.WaitFor("step 2/2");
  process.Signal(SIGINT);
  const ProcessResult cut = process.Wait();
  EXPECT_EQ(cut.code, 75) << cut.err;
  EXPECT_THAT(cut.out, AllOf(HasSubstr("stopped in the evaluation after step 2"),
                             Not(HasSubstr("val loss"))));
  const ProcessResult rest = Palimpsest({"train", "--run_dir=" + run.run_dir, "--resume"});
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_THAT(rest.out, AllOf(HasSubstr("val loss"), Not(HasSubstr("step 1/2"))));
}

TEST(Program, ASecondSignalEndsItAtOnce) {
  const SmallRun run;
  Process process(PalimpsestCommand(run.TrainArgs({"steps=100000", "batch=64", "length=128"})));
  process.WaitFor("run  ");
  process.Signal(SIGTERM);
  process.Signal(SIGTERM);
  process.Signal(SIGINT);
  const int code = process.Wait().code;
  // Signals of one kind that arrive together count once.
  EXPECT_TRUE(code == 128 + SIGTERM || code == 128 + SIGINT) << code;
}

TEST(Program, KilledItResumesFromItsLastCheckpoint) {
  const SmallRun whole, killed;
  const std::vector<std::string> longer = {"steps=60", "checkpoint_every=7", "eval_every=0"};
  ASSERT_EQ(Palimpsest(whole.TrainArgs(longer)).code, 0);
  Process process(PalimpsestCommand(killed.TrainArgs(longer)));
  process.WaitFor("step 20/60");
  process.Signal(SIGKILL);
  EXPECT_EQ(process.Wait().code, 128 + SIGKILL);
  std::vector<std::string> args = killed.TrainArgs(longer);
  args.emplace_back("--resume");
  ASSERT_EQ(Palimpsest(args).code, 0);
  EXPECT_EQ(Losses(killed.run_dir), Losses(whole.run_dir));
}

TEST(Program, ItsBannerIsShort) {
  const SmallRun run;
  const ProcessResult trained = Palimpsest(run.TrainArgs(
      {"optimizer={name: 'muon' weight_decay: 0.00123 schedule {kind: WSD decay_steps: 2 "
       "warmup_steps: 1} auxiliary {lr: 1.23e-7 beta2: 0.97} group {match: '*.q.*' lr_factor: 0.3} "
       "group {match: 'head.*' frozen: true}}"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  ExpectFits80Columns(trained.out, run.run_dir);
  EXPECT_THAT(trained.out,
              AllOf(HasSubstr("\noptim    muon, lr 0.003, weight decay 0.00123, wsd: "),
                    HasSubstr("\noptim    frozen: 4096 parameters, 0 bytes of state\n")));
}

TEST(Program, RunsOutOfMemoryWithOneLine) {
  const SmallRun run;
  ProcessResult result = Palimpsest(run.TrainArgs({"memory_limit_mb=2", "length=256"}));
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr("out of memory. Tried to allocate"));
  // What could never be is refused before anything is made.
  result = Palimpsest(run.TrainArgs({"model.width=1000000", "model.block.0.memory.heads=50000"}));
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, AllOf(HasSubstr("model.width 1000000"), HasSubstr("GiB")));
}

TEST(Program, RefusesADeviceThatIsNotThere) {
  const SmallRun run;
  for (const std::vector<std::string>& args :
       {run.TrainArgs({"--device=cuda", "steps=1"}), run.TrainArgs({"device=CUDA", "steps=1"}),
        std::vector<std::string>{"bench", "--rule=delta", "--time=4", "--device=cuda"},
        std::vector<std::string>{"check", "--rule=delta", "--device=cuda"}}) {
    const ProcessResult result = Palimpsest(args);
    if (result.code == 0) GTEST_SKIP() << "there is a GPU";
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, StartsWith("palimpsest: no CUDA device: "));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
  const ProcessResult unknown = Palimpsest({"bench", "--device=tpu"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("device has no value 'tpu'"));
}

TEST(Program, RefusesTf32OnTheCpu) {
  const SmallRun run;
  for (const std::vector<std::string>& args :
       {run.TrainArgs({"--tf32", "steps=1"}), run.TrainArgs({"tf32=true", "steps=1"}),
        std::vector<std::string>{"bench", "--rule=delta", "--time=4", "--tf32"}}) {
    const ProcessResult result = Palimpsest(args);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr("the CPU multiplies f32 as it is"));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
}

TEST(Program, ListsRulesAndHelps) {
  const ProcessResult rules = Palimpsest({"rules"});
  EXPECT_EQ(rules.code, 0);
  for (const char* rule : {"hebbian", "delta", "gated_delta", "titans_mlp", "gate", "M_"})
    EXPECT_THAT(rules.out, HasSubstr(rule));
  EXPECT_THAT(Palimpsest({"--help"}).out, HasSubstr("palimpsest generate"));
  ExpectFits80Columns(rules.out, "");
  const ProcessResult named = Palimpsest({"rules", "titans_mlp", "omega"});
  EXPECT_THAT(named.out, AllOf(HasSubstr("option objective"), HasSubstr("param  window")));
  ExpectFits80Columns(named.out, "");
  const nlohmann::json all = nlohmann::json::parse(Palimpsest({"rules", "--json"}).out);
  EXPECT_GT(all.size(), 15u);
  for (const nlohmann::json& one : all) EXPECT_FALSE(one["states"].empty()) << one["name"];
  for (const char* command : {"train", "eval", "generate", "rules"}) {
    const std::string help = Palimpsest({command, "--help"}).out;
    EXPECT_THAT(help, HasSubstr(std::string("  palimpsest ") + command));
    EXPECT_EQ(Palimpsest({command, "-h"}).out, help);
    ExpectFits80Columns(help, "");
  }
  EXPECT_THAT(Palimpsest({"version"}).out, StartsWith("palimpsest "));
}

}  // namespace
}  // namespace palimpsest
