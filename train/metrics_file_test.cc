#include "train/metrics_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "train/file_testing.h"
#include "train/sealed_text.h"

namespace palimpsest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MetricsFileTest : public testing::Test {
 protected:
  MetricsFileTest() {
    const auto file = *MetricsFile::Open(path_, 0, false);
    EXPECT_TRUE(file->last_step().is_null());
    for (int step : {1, 2, 3})
      EXPECT_TRUE(file->Append({{"step", step}, {"loss", 0.5 * step}}).ok());
    EXPECT_TRUE(file->Append({{"step", 3}, {"val_loss", 0.25}}).ok());
    EXPECT_TRUE(file->Sync().ok());
  }
  static std::string Line(const std::string& object) { return SealJson(object) + "\n"; }

  const std::string path_ = ScratchDir() + "/metrics.jsonl";
  const std::string one_ = Line(R"({"step":1,"loss":0.5})"),
                    two_ = Line(R"({"step":2,"loss":1.0})"),
                    three_ = Line(R"({"step":3,"loss":1.5})"),
                    scored_ = Line(R"({"step":3,"val_loss":0.25})");
};

TEST_F(MetricsFileTest, OpeningDropsOnlyWhatWillBeMadeAgain) {
  EXPECT_EQ(ReadFile(path_), one_ + two_ + three_ + scored_);
  WriteFile(path_, ReadFile(path_) + "a note\n{\"step\": 2, \"lo");
  EXPECT_EQ((*MetricsFile::Open(path_, 3, false))->last_step()["loss"], 1.5);
  EXPECT_TRUE((*MetricsFile::Open(path_, 3, false))->evaluated());
  EXPECT_EQ(ReadFile(path_), one_ + two_ + three_ + scored_ + "a note\n");
  ASSERT_TRUE(MetricsFile::Open(path_, 3, true).ok());
  EXPECT_EQ(ReadFile(path_), one_ + two_ + three_ + "a note\n");
  const auto file = *MetricsFile::Open(path_, 2, true);
  EXPECT_TRUE(file->damaged().empty() && !file->evaluated());
  ASSERT_TRUE(file->Append({{"step", 3}}).ok());
  EXPECT_EQ(ReadFile(path_), one_ + two_ + "a note\n" + Line(R"({"step":3})"));
}

TEST_F(MetricsFileTest, DamagedLinesAreMovedAway) {
  std::string changed = two_;
  changed[changed.find("1.0")] = '7';
  for (int times : {1, 2}) {
    WriteFile(path_, one_ + changed + three_);
    const auto file = *MetricsFile::Open(path_, 3, false);
    EXPECT_THAT(file->damaged(), ElementsAre(HasSubstr(path_ + ":2: moved to " + path_)));
    EXPECT_EQ(ReadFile(path_), one_ + three_);
    std::string all;
    for (int i = 0; i < times; ++i) all += changed;
    EXPECT_EQ(ReadFile(path_ + ".damaged"), all);
  }
}

// Whatever byte of a line changes: the others stay, and its own numbers do not change unseen.
TEST_F(MetricsFileTest, EveryChangeIsSeenOrBearsOnNothing) {
  for (size_t i = 0; i < two_.size(); ++i) {
    std::string flipped = two_;
    flipped[i] = static_cast<char>(flipped[i] ^ 1 << i % 8);
    WriteFile(path_, one_ + flipped + three_ + scored_);
    const auto file = *MetricsFile::Open(path_, 3, false);
    const std::string after = ReadFile(path_);
    EXPECT_THAT(after, HasSubstr(one_));
    EXPECT_THAT(after, HasSubstr(scored_));
    EXPECT_TRUE(!file->damaged().empty() || after.find(R"("step":2,"loss":1.0)") != after.npos)
        << i << "\n"
        << after;
  }
}

}  // namespace
}  // namespace palimpsest
