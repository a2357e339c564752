#include "train/tensorboard_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>

#include "report/event_file.h"
#include "train/file_testing.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Key;

// Of the only file in `dir`: records are a length, its checksum, the event, and its checksum.
std::vector<events::Event> EventsIn(const std::string& dir) {
  EXPECT_EQ(NamesIn(dir).size(), 1u);
  const std::string bytes = ReadFile(dir + "/" + NamesIn(dir).at(0));
  std::vector<events::Event> found;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length;
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    EXPECT_TRUE(found.emplace_back().ParseFromString(bytes.substr(at + 12, length)));
    at += length + 16;
  }
  return found;
}

std::unique_ptr<Trainer> TinyTrainer(bool histograms) {
  TrainConfig config;
  EXPECT_TRUE(ParseTextProto("model { width: 8 block { attention { heads: 2 } } } "
                             "data { eval_examples: 4 mqar { vocab: 16 pairs: 2 } } "
                             "optimizer { name: 'adamw' lr: 0.01 } batch: 2 length: 8",
                             "test", &config)
                  .ok());
  config.set_tensorboard_histograms(histograms);
  return *Trainer::Create(config);
}

// By the step: the tags of histograms.
std::map<int64_t, std::map<std::string, events::Histogram>> Histograms(const std::string& dir) {
  std::map<int64_t, std::map<std::string, events::Histogram>> found;
  for (const events::Event& event : EventsIn(dir)) {
    for (const auto& value : event.summary().value()) {
      if (value.has_histo()) found[event.step()][value.tag()] = value.histo();
    }
  }
  return found;
}

void LogAStep(RunLog* log, Trainer* trainer) {
  const auto step = trainer->Step(false, [&](const NamedTensors& gradients) {
    EXPECT_TRUE(log->OnGradients(1, gradients).ok());
  });
  ASSERT_TRUE(step.ok());
  EXPECT_TRUE(log->OnEvaluation(*trainer).ok());
}

TEST(TensorBoardLog, HasHistogramsOfParametersAndTheirGradients) {
  const std::string dir = ScratchDir();
  const auto trainer = TinyTrainer(true);
  LogAStep(MakeTensorBoardLog(dir, *trainer)->get(), trainer.get());
  const auto histograms = Histograms(dir);
  ASSERT_THAT(histograms, ElementsAre(Key(1)));
  EXPECT_EQ(histograms.at(1).size(), 2 * trainer->params().size());
  for (const auto& [path, param] : trainer->params()) {
    for (const char* kind : {"grad/", "parameters/"}) {
      ASSERT_THAT(histograms.at(1), Contains(Key(kind + path)));
      EXPECT_EQ(histograms.at(1).at(kind + path).num(), static_cast<double>(param.size())) << path;
    }
  }
}

TEST(TensorBoardLog, HasNoneUnlessAskedFor) {
  const std::string dir = ScratchDir();
  const auto trainer = TinyTrainer(false);
  LogAStep(MakeTensorBoardLog(dir, *trainer)->get(), trainer.get());
  EXPECT_TRUE(Histograms(dir).empty());
}

}  // namespace
}  // namespace palimpsest
