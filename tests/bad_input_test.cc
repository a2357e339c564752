// What users get wrong: each case ends with one clear line, a code that is not zero, and loses
// nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/program_testing.h"
#include "train/file_testing.h"

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
        Case{"OverrideOfWrongType", {"model.width=wide"}, {"model.width=wide", "int64"}},
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

TEST(BadInput, ABinaryFileIsATextOfBytes) {
  const SmallRun run;
  EXPECT_EQ(Palimpsest(run.TrainArgs({"data.bytes.path=train/palimpsest"})).code, 0);
}

TEST(BadInput, AnUnknownCommand) {
  ExpectOneLine(Palimpsest({"trian"}), {"'trian'", "did you mean 'train'?"});
}

TEST(BadInput, NoSuchRun) {
  for (const char* command : {"eval", "generate"})
    ExpectOneLine(Palimpsest({command, "--run=/nowhere"}), {"/nowhere"});
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
    more.push_back("--resume");
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
    ExpectOneLine(Palimpsest(Resume({"steps=8"})), {"step-00000008"});
  }
  ExpectNothingLost();
  EXPECT_EQ(Palimpsest(Resume({"steps=8"})).code, 0);
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
    std::string file = ReadFile(checkpoints_ + "/" + name);
    const std::string shape = "\"shape\":[256,16]";
    ASSERT_NE(file.find(shape), std::string::npos);
    for (size_t at; (at = file.find(shape)) != std::string::npos;)
      file.replace(at, shape.size(), "\"shape\":[16,256]");
    WriteFile(checkpoints_ + "/" + name, file);
  }
  for (const std::vector<std::string>& args :
       {Resume({"steps=8"}), {"eval", "--run=" + run_.run_dir}})
    ExpectOneLine(Palimpsest(args), {"step-00000006", "embedding", "[16,256]", "[256,16]"});
}

}  // namespace
}  // namespace palimpsest
