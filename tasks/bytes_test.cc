#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "ops/loss.h"
#include "tasks/data.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "/data_bytes_" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

// All byte values, in an order where each says where it is.
std::string AllBytes(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text.push_back(static_cast<char>(i));
  return text;
}

DataConfig Config(const std::string& path) {
  DataConfig config;
  config.mutable_bytes()->set_path(path);
  return config;
}

std::string Error(const DataConfig& config, int64_t length) {
  return std::string(MakeDataSource(config, length, 0).status().message());
}

TEST(Bytes, TrainingWindowsAreTextShiftedByOne) {
  const auto source = *MakeDataSource(Config(Write("all", AllBytes(200))), 8, 0);
  std::set<int32_t> starts;
  for (int64_t step = 0; step < 200; ++step) {
    const Examples batch = source->TrainBatch(step, 4);
    for (int64_t row = 0; row < 4; ++row) {
      const int32_t* tokens = batch.tokens.data<int32_t>() + row * 8;
      const int32_t* labels = batch.labels.data<int32_t>() + row * 8;
      starts.insert(tokens[0]);
      for (int64_t t = 0; t < 8; ++t) {
        EXPECT_EQ(tokens[t], tokens[0] + t);
        EXPECT_EQ(labels[t], tokens[t] + 1);
      }
    }
  }
  // 180 bytes to train on: windows start at 0 ... 171, and 800 draws meet nearly all of them.
  EXPECT_EQ(*starts.rbegin(), 171);
  EXPECT_EQ(*starts.begin(), 0);
  EXPECT_GT(starts.size(), 160u);
}

TEST(Bytes, EvaluationMeetsEachByteOnce) {
  for (const int64_t length : {1, 7, 8, 19}) {
    const auto source = *MakeDataSource(Config(Write("all", AllBytes(200))), length, 0);
    const Examples all = source->EvalBatch(0, source->eval_examples());
    std::vector<int32_t> labels;
    for (int64_t i = 0; i < all.labels.size(); ++i) {
      if (all.labels.data<int32_t>()[i] != kIgnoreLabel)
        labels.push_back(all.labels.data<int32_t>()[i]);
    }
    std::vector<int32_t> expected;
    for (int32_t byte = 181; byte < 200; ++byte) expected.push_back(byte);
    EXPECT_EQ(labels, expected) << "length " << length;
  }
}

TEST(Bytes, AnotherFileValidates) {
  DataConfig config = Config(Write("train", AllBytes(50)));
  config.mutable_bytes()->set_val_path(Write("val", std::string(30, 'v')));
  const auto source = *MakeDataSource(config, 8, 0);
  EXPECT_EQ(source->EvalBatch(0, 1).tokens.data<int32_t>()[0], 'v');
  const auto other = *MakeDataSource(Config(config.bytes().path()), 4, 0);
  EXPECT_NE(source->Fingerprint(), other->Fingerprint());
}

TEST(Bytes, BadFilesAreNamed) {
  EXPECT_THAT(Error(Config("/nowhere/a.txt"), 8),
              AllOf(HasSubstr("/nowhere/a.txt"), HasSubstr("No such file")));
  EXPECT_THAT(Error(Config(testing::TempDir()), 8), AllOf(HasSubstr("directory")));
  EXPECT_THAT(Error(Config(Write("empty", "")), 8), HasSubstr("empty is empty"));
  EXPECT_THAT(Error(Config(""), 8), HasSubstr("data.bytes.path=FILE"));
  const std::string short_path = Write("short", AllBytes(50));
  EXPECT_THAT(Error(Config(short_path), 64),
              AllOf(HasSubstr(short_path), HasSubstr("has 45 bytes"), HasSubstr("65")));
  EXPECT_THAT(Error(Config(short_path), 8),
              AllOf(HasSubstr("validation"), HasSubstr("has 5 bytes")));
  DataConfig config = Config(short_path);
  config.mutable_bytes()->set_split(1.5);
  EXPECT_THAT(Error(config, 8), HasSubstr("split is 1.5"));
}

}  // namespace
}  // namespace palimpsest
