// What users get wrong: each case ends with one clear line, a code that is not zero, and loses
// nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/program_testing.h"
#include "train/file_testing.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

void ExpectOneLine(const ProcessResult& result, const std::vector<std::string>& parts) {
  EXPECT_TRUE(result.code == 1 || result.code == 2) << result.code;
  EXPECT_THAT(result.err, StartsWith("palimpsest: "));
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  for (const std::string& part : parts) EXPECT_THAT(result.err, HasSubstr(part));
}

struct Case {
  const char* name;
  std::vector<std::string> args;   // After those of a run that would work.
  std::vector<std::string> parts;  // Of the message.
};

class TrainCase : public testing::TestWithParam<Case> {};

TEST_P(TrainCase, EndsWithOneLine) {
  const SmallRun run;
  WriteFile(run.dir + "/empty", "");
  WriteFile(run.dir + "/short", "sixteen bytes...");
  std::vector<std::string> args = GetParam().args;
  for (std::string& arg : args) {
    if (const size_t at = arg.find("DIR"); at != std::string::npos) arg.replace(at, 3, run.dir);
  }
  ExpectOneLine(Palimpsest(run.TrainArgs(args)), GetParam().parts);
  EXPECT_EQ(NamesIn(run.dir).size(), 4u) << "a run directory was begun";
}

INSTANTIATE_TEST_SUITE_P(
    All, TrainCase,
    testing::Values(
        Case{"UnknownOverride", {"model.widht=8"}, {"model.widht=8", "did you mean 'width'?"}},
        Case{"OverrideOfWrongType", {"model.width=wide"}, {"model.width=wide", "64-bit integer"}},
        Case{"OverrideWithoutValue", {"steps"}, {"steps", "path.to.field=value"}},
        Case{"UnknownRule",
             {"model.block.0.memory.rule.name=gated_dleta"},
             {"gated_dleta", "gated_delta"}},
        Case{"UnknownGate", {"model.block.0.memory.gate={name: 'alpah'}"}, {"alpah"}},
        Case{"UnknownParameter", {"model.block.0.memory.rule.params.hiden=3"}, {"hiden"}},
        Case{"UnknownOptimizer", {"optimizer.name=adamv"}, {"adamv", "adamw"}},
        Case{"GroupWithoutParameters", {"optimizer.group={match: 'nothing'}"}, {"nothing"}},
        Case{"SizesThatDoNotFit", {"model.width=15"}, {"15"}},
        Case{"VocabTooSmall", {"model.vocab_size=16"}, {"vocab_size is 16", "256"}},
        Case{"BatchCannotBeCut", {"grad_accumulation=3"}, {"batch 2", "3"}},
        Case{"UnknownDtype", {"dtype=f23"}, {"f23", "bf16"}},
        Case{"MissingText", {"data.bytes.path=DIR/none"}, {"/none", "No such file"}},
        Case{"TextIsADirectory", {"data.bytes.path=DIR"}, {"directory"}},
        Case{"EmptyText", {"data.bytes.path=DIR/empty"}, {"/empty is empty"}},
        Case{"TextShorterThanContext",
             {"data.bytes.path=DIR/short"},
             {"/short", "14 bytes", "length: 16"}},
        Case{"ValidationShorterThanContext",
             {"data.bytes.val_path=DIR/short"},
             {"/short", "16 bytes", "17"}},
        Case{"NegativeSeed", {"seed=-1"}, {"'seed=-1'", "not negative"}},
        Case{"OverrideOfManyLines", {"model={\n\nwidth: "}, {"'model={ width: '", "the end"}},
        Case{"TextNamedForATerminal", {"data.bytes.path=\x1b[2J"}, {"open \\x1b[2J: "}},
        Case{"TooManyThreads", {"threads=100000"}, {"threads is 100000", "at most 1024"}},
        Case{"TooMuchMemory", {"memory_limit_mb=99999999999999999"}, {"memory_limit_mb", "most"}},
        Case{"TooManyLayers", {"model.layers=100000000"}, {"model.layers", "10000"}},
        Case{"LengthPastAnyUse", {"length=9223372036854775807"}, {"length is", "at most"}},
        Case{"AccuracyIsNoNumber", {"stop_accuracy=nan"}, {"stop_accuracy is nan"}},
        Case{"InfiniteRate", {"optimizer.lr=inf"}, {"optimizer.lr is inf", "finite"}},
        Case{"MoreDecayThanSteps",
             {"optimizer.schedule={kind: WSD warmup_steps: 1 decay_steps: 100}"},
             {"optimizer.schedule.decay_steps is 100", "total_steps 6"}},
        Case{"TapsPastTheLength",
             {"model.block.0.memory.conv=17"},
             {"model.block.0.memory.conv: 17", "length 16"}},
        Case{"ALevelThatNobodyReads",
             {"model.block={cms {level {period: 16}}}"},
             {"model.block.0.cms.level.0.period: 16", "length is 16"}},
        Case{"HeadsThatDoNotFit",
             {"model.block.0.memory.heads=3"},
             {"model.block.0.memory.heads: 3 does not divide width 16"}},
        Case{"MoreTokensThanPositions",
             {"model.learned_positions=8"},
             {"model.learned_positions is 8", "length of at most 8"}},
        Case{"UnknownTask", {"data={mqarr {}}"}, {"mqarr", "did you mean 'mqar'?"}},
        Case{"UnknownFieldOfATask", {"data.mqar.vocb=8"}, {"vocb", "did you mean 'vocab'?"}},
        Case{"UnknownFieldOfASchedule",
             {"optimizer.schedule.warmup_step=8"},
             {"warmup_step", "did you mean 'warmup_steps'?"}},
        Case{"UnknownFieldOfALevel",
             {"optimizer={name: 'chain' level {kind: 'ema' peroid: 3}}"},
             {"peroid", "did you mean 'period'?"}},
        Case{"UnknownFieldOfABlock",
             {"model.block.0.memory.hads=2"},
             {"hads", "did you mean 'heads'?"}},
        Case{"UnknownLevel",
             {"optimizer={name: 'chain' level {kind: 'emma'}}"},
             {"emma", "ema", "level.0"}},
        Case{"ALevelThatNeverWrites",
             {"optimizer={name: 'chain' level {kind: 'ema'} level {kind: 'ema' period: 7}}"},
             {"optimizer.level.1.period is 7", "steps is 6", "never write"}},
        Case{"APeriodAboveTheSteps",
             {"optimizer={name: 'm3' period: 100}"},
             {"optimizer.period is 100", "steps is 6"}},
        Case{"NegativeRate", {"optimizer.lr=-1"}, {"optimizer.lr is -1"}},
        Case{"RateIsNoNumber", {"optimizer.lr=nan"}, {"optimizer.lr is nan"}},
        Case{"NegativeSteps", {"steps=-1"}, {"steps is -1", "at least 0"}},
        Case{"NoBatch", {"batch=0"}, {"batch is 0", "at least 1"}},
        Case{"NegativeChunk", {"model.block.0.memory.chunk=-1"}, {"memory.chunk", "-1"}},
        Case{"OddKeysWithRope",
             {"model.block={attention {heads: 2 key_dim: 3}}"},
             {"attention.rope", "even key_dim", "3"}},
        Case{"HeadsThatShareNoKeys",
             {"model.block={attention {heads: 4 kv_heads: 3}}"},
             {"kv_heads", "3", "4"}},
        Case{"NegativeWindow", {"model.block={attention {window: -1}}"}, {"window", "-1"}},
        Case{"LengthTooShortForTheTask",
             {"data={mqar {pairs: 8}}", "length=16"},
             {"length", "pairs"}},
        Case{"KeptCheckpointsThatAreNotMade",
             {"keep_every=3"},
             {"keep_every is 3", "checkpoint_every, 2"}},
        Case{"KeptCheckpointsOfNone",
             {"keep_every=3", "checkpoint_every=0"},
             {"keep_every is 3", "checkpoint_every is 0"}},
        Case{"HistogramsOfNoTensorBoard",
             {"tensorboard=false", "tensorboard_histograms=true"},
             {"tensorboard_histograms", "tensorboard: true"}},
        Case{"AccuracyThatIsNotMeasured",
             {"stop_accuracy=0.5", "eval_every=0"},
             {"stop_accuracy is 0.5", "eval_every is 0"}},
        Case{"UnknownShortFlag", {"-resume"}, {"'-resume'", "did you mean '--resume'?"}},
        Case{"UnknownFlag", {"--resumee"}, {"--resumee", "did you mean '--resume'?"}},
        Case{"MissingConfig", {"--config=DIR/none"}, {"cannot open", "/none"}},
        Case{"RunDirIsAFile", {"--run_dir=DIR/text"}, {"/text"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(BadInput, AnUnknownFieldIsPlaced) {
  const SmallRun run;
  WriteFile(run.config, "steps: 3\nmodel {\n  widht: 8\n}\n");
  ExpectOneLine(Palimpsest(run.TrainArgs()),
                {run.config + ":3:", "'widht'", "did you mean 'width'?", "layers"});
}

TEST(BadInput, AConfigOfGarbage) {
  const SmallRun run;
  WriteFile(run.config, std::string("\x7f"
                                    "ELF\2\1\1\0\0\0",
                                    10));
  ExpectOneLine(Palimpsest(run.TrainArgs()), {run.config + ":1:"});
}

TEST(BadInput, AConfigThatEndsEarly) {
  const SmallRun run;
  WriteFile(run.config, "model {\n  width: 8\n");
  ExpectOneLine(Palimpsest(run.TrainArgs()), {run.config + ":3:1: ", "got: the end"});
}

TEST(BadInput, AFieldGivenTwice) {
  const SmallRun run;
  WriteFile(run.config, "steps: 3\nsteps: 4\n");
  ExpectOneLine(Palimpsest(run.TrainArgs()), {run.config + ":2:", "\"steps\""});
}

TEST(BadInput, ABinaryFileIsATextOfBytes) {
  const SmallRun run;
  EXPECT_EQ(Palimpsest(run.TrainArgs({"data.bytes.path=program/palimpsest"})).code, 0);
}

TEST(BadInput, AnUnknownCommand) {
  ExpectOneLine(Palimpsest({"trian"}), {"'trian'", "did you mean 'train'?"});
}

TEST(BadInput, NoSuchRun) {
  for (const char* command : {"eval", "generate"})
    ExpectOneLine(Palimpsest({command, "--run=/nowhere"}), {"/nowhere"});
  ExpectOneLine(Palimpsest({"eval", "--run=/"}), {"/ holds no trained model", "/checkpoints"});
}

TEST(BadInput, PastTheLearnedPositions) {
  const SmallRun run;
  ASSERT_EQ(Palimpsest(run.TrainArgs({"model.learned_positions=16"})).code, 0);
  ExpectOneLine(Palimpsest({"eval", "--run=" + run.run_dir, "length=17"}),
                {"model.learned_positions is 16", "data.eval_length) is 17", "at most 16"});
  const std::vector<std::string> generate = {"generate", "--run=" + run.run_dir, "--prompt=four"};
  ExpectOneLine(Palimpsest(generate), {"16 learned positions", "--tokens must be at most 13"});
  for (const int tokens : {13, 14}) {
    std::vector<std::string> args = generate;
    args.push_back("--tokens=" + std::to_string(tokens));
    EXPECT_EQ(Palimpsest(args).code, tokens == 13 ? 0 : 1);
  }
}

// Of a shell: `after` follows the command.
ProcessResult InShell(const std::vector<std::string>& args, const std::string& after) {
  std::string line = "set -o pipefail;";
  for (const std::string& part : PalimpsestCommand(args)) line += " '" + part + "'";
  return RunProcess({"/bin/bash", "-c", line + after});
}

TEST(BadInput, OutputThatCannotBeWritten) {
  const SmallRun run;
  for (const char* to : {" > /dev/full", " >&-"}) {
    for (const std::vector<std::string>& args :
         {run.TrainArgs(), {"rules"}, {"version"}, {"--help"}, {"train", "--help"}})
      ExpectOneLine(InShell(args, to), {"cannot write to stdout"});
  }
  ASSERT_EQ(Palimpsest(run.TrainArgs()).code, 0) << "what never began is in the way";
  for (const char* to : {" > /dev/full", " >&-"}) {
    for (const char* command : {"eval", "generate"})
      ExpectOneLine(InShell({command, "--run=" + run.run_dir}, to), {"cannot write to stdout"});
  }
}

TEST(BadInput, AReaderThatLeaves) {
  const SmallRun run;
  ExpectOneLine(InShell(run.TrainArgs({"steps=100000", "checkpoint_every=0"}), " | head -n 12"),
                {"cannot write to stdout: Broken pipe", "and saved; --resume"});
  EXPECT_EQ(NamesIn(run.run_dir + "/checkpoints").size(), 1u);
  EXPECT_EQ(Palimpsest({"eval", "--run=" + run.run_dir}).code, 0);
  ExpectOneLine(
      InShell({"generate", "--run=" + run.run_dir, "--tokens=100000000"}, " | head -c 10"),
      {"cannot write to stdout: Broken pipe"});
}

// A run of six steps with checkpoints of steps 4 and 6.
class FinishedRun : public testing::Test {
 protected:
  FinishedRun() {
    const ProcessResult result = Palimpsest(run_.TrainArgs());
    EXPECT_EQ(result.code, 0) << result.err;
    metrics_ = ReadFile(run_.run_dir + "/metrics.jsonl");
    for (const std::string& name : NamesIn(checkpoints_))
      files_.push_back(ReadFile(checkpoints_ + "/" + name));
  }
  std::vector<std::string> Resume(std::vector<std::string> more) const {
    more.emplace_back("--resume");
    return run_.TrainArgs(more);
  }
  void ExpectNothingLost() const {
    EXPECT_THAT(ReadFile(run_.run_dir + "/metrics.jsonl"), StartsWith(metrics_));
    const std::vector<std::string> names = NamesIn(checkpoints_);
    ASSERT_EQ(names.size(), files_.size());
    for (size_t i = 0; i < names.size(); ++i)
      EXPECT_EQ(ReadFile(checkpoints_ + "/" + names[i]), files_[i]) << names[i];
  }

  const SmallRun run_;
  const std::string checkpoints_ = run_.run_dir + "/checkpoints";
  std::string metrics_;
  std::vector<std::string> files_;
};

TEST_F(FinishedRun, StartingOverIsRefused) {
  ExpectOneLine(Palimpsest(run_.TrainArgs()), {run_.run_dir, "already holds a run", "--resume"});
  ExpectNothingLost();
}

TEST_F(FinishedRun, ResumingAsAnotherIsRefused) {
  ExpectOneLine(Palimpsest(Resume({"seed=3", "model.width=32"})),
                {"model.width (16 -> 32)", "seed (0 -> 3)"});
  ExpectNothingLost();
}

TEST_F(FinishedRun, ResumingOnAnotherTextIsRefused) {
  WriteFile(run_.text, ReadFile(run_.text) + "more");
  ExpectOneLine(Palimpsest(Resume({"steps=8"})), {"data.fingerprint"});
  ExpectNothingLost();
}

TEST_F(FinishedRun, AFullDisk) {
  {
    const FileSizeLimit full(files_[0].size() / 2);
    ExpectOneLine(Palimpsest(Resume({"steps=8"})),
                  {"step 8 is not saved", "step-00000008", "goes on from step 6"});
  }
  ExpectNothingLost();
  EXPECT_EQ(Palimpsest(Resume({"steps=8"})).code, 0);
}

TEST_F(FinishedRun, FilesThatMayNotGrow) {
  const ProcessResult result = RunProcess(
      {"/bin/bash", "-c",
       "ulimit -f 50; program/palimpsest train --resume steps=8 --run_dir=" + run_.run_dir});
  ExpectOneLine(result, {"step 8 is not saved", "File too large", "goes on from step 6"});
  ExpectNothingLost();
}

TEST_F(FinishedRun, ATextThatWasMovedIsTheSame) {
  WriteFile(run_.dir + "/moved", ReadFile(run_.text));
  EXPECT_EQ(Palimpsest(Resume({"steps=8", "data.bytes.path=" + run_.dir + "/moved"})).code, 0);
}

TEST_F(FinishedRun, ABrokenCheckpointIsSkippedForTheOneBefore) {
  const std::string newest = checkpoints_ + "/" + NamesIn(checkpoints_).back();
  WriteFile(newest, files_.back().substr(0, files_.back().size() - 1));
  const ProcessResult result = Palimpsest(Resume({}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(newest));
  EXPECT_EQ(ReadFile(newest), files_.back());
}

TEST_F(FinishedRun, OnlyBrokenCheckpoints) {
  for (const std::string& name : NamesIn(checkpoints_))
    WriteFile(checkpoints_ + "/" + name, "garbage");
  for (const std::vector<std::string>& args :
       {Resume({}), {"eval", "--run=" + run_.run_dir}, {"generate", "--run=" + run_.run_dir}})
    ExpectOneLine(Palimpsest(args), {"step-00000006"});
  EXPECT_EQ(ReadFile(run_.run_dir + "/metrics.jsonl"), metrics_);
}

TEST_F(FinishedRun, ATensorOfAnotherShape) {
  for (const std::string& name : NamesIn(checkpoints_)) {
    TensorFile file = *ReadSafetensors(checkpoints_ + "/" + name);
    Tensor& embedding = file.tensors.at("model/embedding.weight");
    ASSERT_EQ(embedding.shape(), Shape({256, 16}));
    embedding = Tensor::FromVector({16, 256}, embedding.ToVector(), embedding.dtype());
    ASSERT_TRUE(WriteSafetensors(checkpoints_ + "/" + name, file).ok());
  }
  for (const std::vector<std::string>& args :
       {Resume({"steps=8"}), {"eval", "--run=" + run_.run_dir}})
    ExpectOneLine(Palimpsest(args), {"step-00000006", "embedding", "[16,256]", "[256,16]"});
}

}  // namespace
}  // namespace palimpsest
