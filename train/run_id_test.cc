#include "train/run_id.h"

#include <gtest/gtest.h>

#include "train/override.h"

namespace palimpsest {
namespace {

std::string IdWith(const std::vector<std::string>& overrides) {
  TrainConfig config;
  for (const std::string& text : overrides) EXPECT_TRUE(ApplyOverride(text, &config).ok()) << text;
  return RunId(config);
}

TEST(RunId, IsTheSameWhateverTheSeedThePlaceAndTheThreads) {
  const std::string id = IdWith({});
  EXPECT_EQ(id.size(), 12u);
  for (const char* text :
       {"seed=3", "run_dir=elsewhere", "threads=4", "log_every=1", "checkpoint_every=7", "keep=9",
        "memory_limit_mb=100", "plugin={ path: \"a.so\" rule: \"a\" }"})
    EXPECT_EQ(IdWith({text}), id) << text;
}

TEST(RunId, IsTheSameWhereverTheDataAre) {
  EXPECT_EQ(IdWith({"data.bytes.path=a"}), IdWith({"data.bytes.path=b"}));
}

TEST(RunId, TakesADefaultForTheSameWhetherItIsWrittenOrNot) {
  EXPECT_EQ(IdWith({"steps=1000", "dtype=f32"}), IdWith({}));
}

TEST(RunId, StaysWhatItIs) {
  EXPECT_EQ(IdWith({"steps=7", "optimizer.name=adamw"}), "c57e9ca63534");
}

TEST(RunId, DiffersWhereAnythingDiffersThatBearsOnTheResult) {
  const std::vector<std::string> texts = {"steps=2",
                                          "batch=2",
                                          "model.width=8",
                                          "stop_accuracy=0.5",
                                          "optimizer.lr=0.1",
                                          "data.fingerprint=ab",
                                          "model.block={ memory { rule { name: \"delta\" } } }"};
  std::vector<std::string> ids = {IdWith({})};
  for (const std::string& text : texts) {
    const std::string id = IdWith({text});
    for (const std::string& other : ids) EXPECT_NE(id, other) << text;
    ids.push_back(id);
  }
}

}  // namespace
}  // namespace palimpsest
