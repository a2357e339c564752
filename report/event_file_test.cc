#include "report/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace palimpsest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Hex(events::Event event, double wall_time) {
  event.set_wall_time(wall_time);
  return absl::BytesToHexString(EventRecord(event.SerializeAsString()));
}

// Bytes that TensorBoard's own schema and checksums decode.
TEST(EventRecord, IsTensorBoards) {
  events::Event version;
  version.set_file_version("brain.Event:2");
  EXPECT_EQ(Hex(version, 1),
            "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a");
  EXPECT_EQ(Hex(ScalarsEvent(7, {{"loss", 0.5}}), 2),
            "1a00000000000000129bd82d09000000000000004010072a0d0a0b0a046c6f7373150000003fc33fc24a");
  EXPECT_EQ(Hex(RestartEvent(5), 3),
            "0f000000000000006d532b09090000000000000840"
            "10053a020801a2cd6142");
  const auto ones = HistogramOf(2, [](int64_t) { return -1.0; });
  EXPECT_EQ(Hex(HistogramsEvent(9, {{"grad/w", ones}}), 4),
            "5a00000000000000136fb4bf09000000000000104010092a4d0a4b0a06677261642f772a41"
            "09000000000000f0bf11000000000000f0bf19000000000000004021"
            "00000000000000c02900000000000000403208000000000000f0bf3a080000000000000040"
            "3f2a962f");
}

TEST(HistogramOf, CountsWhatIsFinite) {
  std::vector<double> values = {NAN, 0, 1, 2, 3, INFINITY};
  const auto at = [&](int64_t i) { return values[i]; };
  const events::Histogram h = HistogramOf(6, at);
  EXPECT_EQ(h.num(), 4);
  EXPECT_EQ(h.min(), 0);
  EXPECT_EQ(h.max(), 3);
  EXPECT_EQ(h.sum(), 6);
  EXPECT_EQ(h.sum_squares(), 14);
  ASSERT_EQ(h.bucket_size(), 30);
  EXPECT_EQ(h.bucket(0), 1);
  EXPECT_EQ(h.bucket(10), 1);
  EXPECT_EQ(h.bucket(29), 1);
  EXPECT_EQ(h.bucket_limit(29), 3);
  values = {5, 5};
  EXPECT_THAT(HistogramOf(2, at).bucket(), ElementsAre(2));
  EXPECT_EQ(HistogramOf(0, at).bucket_size(), 0);
}

constexpr char kReader[] = R"(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
events = EventAccumulator(sys.argv[1])
events.Reload()
print([(e.step, e.value) for e in events.Scalars('loss')])
histogram = events.Histograms('weights')[0].histogram_value
print(histogram.num, list(histogram.bucket)[-1])
for tag, content in sorted(events.summary_metadata.items()):
    if content.plugin_data.plugin_name != 'hparams': continue
    data = plugin_data_pb2.HParamsPluginData.FromString(content.plugin_data.content)
    if data.HasField('session_start_info'):
        info = data.session_start_info
        print(info.group_name, info.hparams['lr'].number_value, info.hparams['rule'].string_value)
    if data.HasField('session_end_info'): print('end', data.session_end_info.status)
    if data.HasField('experiment'): print([i.name for i in data.experiment.hparam_infos])
)";

// TENSORBOARD_PYTHON: a Python that has TensorBoard.
std::string Python() {
  const char* given = std::getenv("TENSORBOARD_PYTHON");
  return given == nullptr ? "python3" : given;
}

std::string OutputOf(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  for (int c; (c = fgetc(pipe)) != EOF;) out.push_back(static_cast<char>(c));
  return pclose(pipe) == 0 ? out : "failed: " + out;
}

// Steps 1 to 4, stopped and gone on with from step 2.
TEST(EventFile, IsReadByTensorBoard) {
  if (std::system((Python() + " -c 'import tensorboard' 2>/dev/null").c_str()) != 0)
    GTEST_SKIP() << Python() << " has no TensorBoard";
  const std::string dir = testing::TempDir() + "/event_file_test";
  std::filesystem::remove_all(dir);
  const HParams hparams{
      {{"lr", 0.25}, {"rule", std::string("delta")}, {"tied", true}}, "group 1", {"loss"}};
  for (const int begin : {1, 3}) {
    const auto file = EventFile::Create(dir);
    ASSERT_TRUE(file.ok()) << std::string(file.status().message());
    ASSERT_TRUE((*file)->Write(HParamsStartEvent(hparams, WallTime())).ok());
    if (begin > 1) {
      ASSERT_TRUE((*file)->Write(RestartEvent(begin)).ok());
    }
    for (int step = begin; step <= 4; ++step)
      ASSERT_TRUE((*file)->Write(ScalarsEvent(step, {{"loss", begin * 10 + step}})).ok());
    const auto two = HistogramOf(2, [](int64_t i) { return static_cast<double>(i); });
    ASSERT_TRUE((*file)->Write(HistogramsEvent(4, {{"weights", two}})).ok());
    ASSERT_TRUE((*file)->Write(HParamsEndEvent(true, WallTime())).ok());
  }
  const std::string script = dir + ".py";
  std::ofstream(script) << kReader;
  const std::string out = OutputOf(Python() + " " + script + " " + dir + " 2>/dev/null");
  EXPECT_THAT(out, HasSubstr("[(1, 11.0), (2, 12.0), (3, 33.0), (4, 34.0)]\n2.0 1.0\n"));
  EXPECT_THAT(out, HasSubstr("['lr', 'rule', 'tied']\n"));
  EXPECT_THAT(out, HasSubstr("end 1\n"));
  EXPECT_THAT(out, HasSubstr("group 1 0.25 delta\n"));
}

}  // namespace
}  // namespace palimpsest
