#include "train/checkpoint.h"

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "train/file_testing.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

using Names = std::vector<std::string>;

Checkpoint Example(int64_t step) {
  Checkpoint c;
  c.params["blocks.0.q.weight"] = Tensor::FromVector({2, 2}, {1, 2, 3, 0.1}, DType::kF32);
  c.optimizer["blocks.0.q.weight.m"] = Tensor::FromVector({2, 2}, {4, 5, 6, 7}, DType::kF32);
  c.state["blocks.0.memory"] = Tensor::FromVector({1}, {static_cast<double>(step)}, DType::kF64);
  c.step = step;
  c.tokens = 768 * step;
  c.seed = 0xffffffffffffffff;
  c.stream = 12;
  c.data = 34;
  c.config = "model {\n  width: 128\n}\n";
  c.version = "0.1";
  return c;
}

absl::Status Save(const std::string& dir, const Checkpoint& checkpoint,
                  const CheckpointsKept& kept = {}) {
  const absl::Status saved = SaveCheckpoint(dir, checkpoint);
  return saved.ok() ? PruneCheckpoints(dir, checkpoint.step, kept) : saved;
}

void ExpectSame(const NamedTensors& a, const NamedTensors& b) {
  EXPECT_TRUE(MatchTensors("a", "tensors", a, b).ok());
  for (const auto& [name, x] : a)
    EXPECT_EQ(std::memcmp(x.raw(), b.at(name).raw(), x.bytes()), 0) << name;
}

TEST(Checkpoint, LoadsWhatWasSaved) {
  const std::string dir = ScratchDir() + "/runs/one";
  const Checkpoint saved = Example(20);
  ASSERT_TRUE(Save(dir, saved).ok());
  EXPECT_EQ(NamesIn(dir), Names{"step-00000020.safetensors"});
  const absl::StatusOr<Checkpoint> c = LoadCheckpoint(CheckpointPath(dir, 20));
  ASSERT_TRUE(c.ok()) << c.status();
  ExpectSame(c->params, saved.params);
  ExpectSame(c->optimizer, saved.optimizer);
  ExpectSame(c->state, saved.state);
  EXPECT_EQ(c->step, saved.step);
  EXPECT_EQ(c->tokens, saved.tokens);
  EXPECT_EQ(c->seed, saved.seed);
  EXPECT_EQ(c->stream, saved.stream);
  EXPECT_EQ(c->data, saved.data);
  EXPECT_EQ(c->config, saved.config);
  EXPECT_EQ(c->version, saved.version);
}

TEST(Checkpoint, LeavesOutTheOptimizerOnRequest) {
  const std::string dir = ScratchDir();
  ASSERT_TRUE(Save(dir, Example(1)).ok());
  const absl::StatusOr<Checkpoint> c =
      LoadCheckpoint(CheckpointPath(dir, 1), CheckpointPart::kWithoutOptimizer);
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_TRUE(c->optimizer.empty());
  EXPECT_EQ(c->params.size() + c->state.size(), 2u);
}

TEST(Checkpoint, LatestPassesOverWhatIsNotComplete) {
  const std::string dir = ScratchDir();
  EXPECT_EQ(LoadNewestCheckpoint(dir).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Save(dir, Example(9), {3}).ok());
  ASSERT_TRUE(Save(dir, Example(100000000), {3}).ok());
  const std::string whole = ReadFile(CheckpointPath(dir, 9));
  WriteFile(CheckpointPath(dir, 200000000), whole.substr(0, whole.size() - 1));
  WriteFile(dir + "/step-300000000.safetensors.partial.1.0", "");
  WriteFile(dir + "/step-x.safetensors", "");
  WriteFile(dir + "/notes.txt", "");
  const absl::StatusOr<FoundCheckpoint> latest = LoadNewestCheckpoint(dir);
  ASSERT_TRUE(latest.ok()) << latest.status();
  EXPECT_EQ(latest->checkpoint.step, 100000000);
  EXPECT_EQ(latest->path, CheckpointPath(dir, 100000000));
  ASSERT_EQ(latest->ignored.size(), 1u);
  EXPECT_TRUE(absl::StrContains(latest->ignored[0], "step-200000000.safetensors"))
      << latest->ignored[0];
}

TEST(Checkpoint, LatestSaysWhyThereIsNone) {
  const std::string dir = ScratchDir();
  WriteFile(CheckpointPath(dir, 5), "garbage");
  const absl::Status status = LoadNewestCheckpoint(dir).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(
      absl::StrContains(status.message(), "step-00000005.safetensors: not a safetensors file"))
      << status;
  EXPECT_EQ(LoadNewestCheckpoint(dir + "/none").status().code(), absl::StatusCode::kNotFound);
}

TEST(Checkpoint, KeepsTheNewest) {
  const std::string dir = ScratchDir();
  WriteFile(dir + "/step-00000001.safetensors.partial.1.0", "left by a killed run");
  WriteFile(dir + "/metrics.jsonl", "");
  for (int64_t step : {1, 2, 3, 4}) ASSERT_TRUE(Save(dir, Example(step), {3}).ok());
  EXPECT_EQ(NamesIn(dir), (Names{"metrics.jsonl", "step-00000002.safetensors",
                                 "step-00000003.safetensors", "step-00000004.safetensors"}));
}

TEST(Checkpoint, KeepsEveryNth) {
  const std::string dir = ScratchDir();
  for (int64_t step = 5; step <= 35; step += 5) ASSERT_TRUE(Save(dir, Example(step), {2, 10}).ok());
  EXPECT_EQ(NamesIn(dir), (Names{"step-00000010.safetensors", "step-00000020.safetensors",
                                 "step-00000030.safetensors", "step-00000035.safetensors"}));
}

TEST(Checkpoint, KeepsTwoAtLeast) {
  const std::string dir = ScratchDir();
  for (int64_t step : {1, 2, 3}) ASSERT_TRUE(Save(dir, Example(step), {0}).ok());
  EXPECT_EQ(NamesIn(dir), (Names{"step-00000002.safetensors", "step-00000003.safetensors"}));
}

TEST(Checkpoint, DamagedOnesDoNotCountAsKept) {
  const std::string dir = ScratchDir();
  for (int64_t step : {1, 2}) ASSERT_TRUE(Save(dir, Example(step)).ok());
  WriteFile(CheckpointPath(dir, 8), "garbage");
  WriteFile(CheckpointPath(dir, 9), "garbage");
  ASSERT_TRUE(Save(dir, Example(3)).ok());
  EXPECT_TRUE(LoadCheckpoint(CheckpointPath(dir, 3)).ok());
  EXPECT_TRUE(LoadCheckpoint(CheckpointPath(dir, 2)).ok());
  EXPECT_FALSE(std::filesystem::exists(CheckpointPath(dir, 1)));
}

TEST(Checkpoint, NeverDeletesTheOneJustWritten) {
  const std::string dir = ScratchDir();
  for (int64_t step : {50, 60}) ASSERT_TRUE(Save(dir, Example(step)).ok());
  ASSERT_TRUE(Save(dir, Example(10)).ok());
  EXPECT_TRUE(LoadCheckpoint(CheckpointPath(dir, 10)).ok());
}

// A bit of any byte of the file, and any length it may be cut to.
TEST(Checkpoint, AnyDamageIsSeen) {
  const std::string dir = ScratchDir(), path = CheckpointPath(dir, 2);
  for (int64_t step : {1, 2}) ASSERT_TRUE(Save(dir, Example(step)).ok());
  const std::string whole = ReadFile(path);
  std::vector<std::string> damaged;
  for (size_t i = 0; i < whole.size(); ++i) {
    damaged.push_back(whole.substr(0, i));
    damaged.push_back(whole);
    damaged.back()[i] = static_cast<char>(whole[i] ^ 1 << i % 8);
  }
  for (const std::string& bytes : damaged) {
    WriteFile(path, bytes);
    const absl::StatusOr<FoundCheckpoint> found = LoadNewestCheckpoint(dir);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->checkpoint.step, 1);
    ASSERT_EQ(found->ignored.size(), 1u);
    EXPECT_TRUE(absl::StartsWith(found->ignored[0], path + ": ")) << found->ignored[0];
  }
}

TEST(Checkpoint, NamesTheDamagedTensor) {
  const std::string dir = ScratchDir(), path = CheckpointPath(dir, 1);
  ASSERT_TRUE(Save(dir, Example(1)).ok());
  std::string bytes = ReadFile(path);
  bytes.back() ^= 1;
  WriteFile(path, bytes);
  EXPECT_EQ(LoadCheckpoint(path).status().message(),
            path +
                ": damaged: the data of tensor 'optimizer/blocks.0.q.weight.m' are not those "
                "that were written");
  EXPECT_TRUE(LoadCheckpoint(path, CheckpointPart::kWithoutOptimizer).ok());
}

TEST(Checkpoint, FullDiskLosesNothing) {
  const std::string dir = ScratchDir();
  for (int64_t step : {1, 2}) ASSERT_TRUE(Save(dir, Example(step)).ok());
  const Names before = NamesIn(dir);
  absl::Status status;
  {
    const FileSizeLimit full(300);
    status = Save(dir, Example(3));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "step-00000003")) << status;
  EXPECT_EQ(NamesIn(dir), before);
  EXPECT_EQ(LoadNewestCheckpoint(dir)->checkpoint.step, 2);
}

TEST(Checkpoint, SaysWhatADirectoryOrAStrangerLacks) {
  const std::string dir = ScratchDir(), path = dir + "/f";
  WriteFile(path, "");
  EXPECT_FALSE(Save(path, Example(1)).ok());
  TensorFile stranger;
  stranger.tensors["w"] = Tensor::Full({}, 1.0, DType::kF32);
  ASSERT_TRUE(WriteSafetensors(path, stranger).ok());
  EXPECT_TRUE(
      absl::StrContains(LoadCheckpoint(path).status().message(), "no 'format' in its metadata"));
}

struct Edit {
  std::string key, value, message;
};

TEST(Checkpoint, RejectsMetadataThatDoesNotFit) {
  const std::string dir = ScratchDir(), path = CheckpointPath(dir, 1);
  ASSERT_TRUE(Save(dir, Example(1)).ok());
  const TensorFile good = *ReadSafetensors(path);
  for (const Edit& edit :
       std::vector<Edit>{{"step", "many", "'step' in its metadata is 'many', not a number"},
                         {"format", "1", "a checkpoint of format '1'"},
                         {"config", "model {}", "its config is not the one"},
                         {"seed", "-1", "'seed' in its metadata is '-1'"}}) {
    TensorFile bad = good;
    bad.metadata[edit.key] = edit.value;
    ASSERT_TRUE(WriteSafetensors(path, bad).ok());
    const absl::Status status = LoadCheckpoint(path).status();
    EXPECT_TRUE(absl::StrContains(status.message(), edit.message)) << status;
  }
  TensorFile bad = good;
  bad.checksums = false;
  ASSERT_TRUE(WriteSafetensors(path, bad).ok());
  EXPECT_TRUE(absl::StrContains(LoadCheckpoint(path).status().message(), "checksums are gone"));
  bad = good;
  bad.tensors["momentum"] = Tensor::Full({}, 1.0, DType::kF32);
  ASSERT_TRUE(WriteSafetensors(path, bad).ok());
  EXPECT_TRUE(
      absl::StrContains(LoadCheckpoint(path).status().message(), "'momentum' belongs to no part"));
}

TEST(MatchTensors, NamesEachDifference) {
  const NamedTensors found = {{"a", Tensor::Empty({2, 3}, DType::kF32)},
                              {"b", Tensor::Empty({4}, DType::kF32)},
                              {"same", Tensor::Empty({1}, DType::kF32)},
                              {"old", Tensor::Empty({1}, DType::kF32)}};
  const NamedTensors expected = {{"a", Tensor::Empty({3, 2}, DType::kF32)},
                                 {"b", Tensor::Empty({4}, DType::kF64)},
                                 {"same", Tensor::Empty({1}, DType::kF32)},
                                 {"new", Tensor::Empty({5}, DType::kF32)}};
  EXPECT_EQ(MatchTensors("run/x", "parameters", found, expected).message(),
            "run/x: its parameters do not match: "
            "a: f32 [2,3]; expected f32 [3,2]; "
            "b: f32 [4]; expected f64 [4]; "
            "new: missing; expected f32 [5]; "
            "old: f32 [1]; not expected");
  NamedTensors many;
  for (int i = 0; i < 100; ++i) many[std::to_string(i)] = Tensor::Empty({}, DType::kF32);
  EXPECT_TRUE(absl::StrContains(MatchTensors("f", "x", {}, many).message(), "and 96 more"));
}

TEST(ConfigHash, IsFnv1a) {
  EXPECT_EQ(ConfigHash(""), "cbf29ce484222325");
  EXPECT_EQ(ConfigHash("a"), "af63dc4c8601ec8c");
}

}  // namespace
}  // namespace palimpsest
