#include "ablation/config_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace palimpsest {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;
using ::testing::Pair;

TEST(EvaluationFields, AreOfTheValidationDataAlone) {
  EXPECT_THAT(EvaluationFields({{"length", "64"},
                                {"batch", "8"},
                                {"seed", "3"},
                                {"data.bytes.path", "\"a\""},
                                {"data.fingerprint", "\"12\""},
                                {"data.noisy_recall.noise", "0.2"},
                                {"data.noisy_recall.train_all", "true"}}),
              ElementsAre(Key("data.fingerprint"), Key("data.noisy_recall.noise"), Key("length")));
}

// Where lengths of the evaluation are given, those of training say nothing of it.
TEST(EvaluationFields, OfTrainingDoNotCountWhereTheEvaluationHasItsOwn) {
  const ConfigFields training = {{"length", "64"},
                                 {"data.min_length", "3"},
                                 {"data.mqar.pairs", "4"},
                                 {"data.mqar.train.0.pairs", "4"}};
  EXPECT_EQ(EvaluationFields(training), training);
  ConfigFields lengths = training;
  lengths["data.eval_length.0"] = "256";
  EXPECT_THAT(EvaluationFields(lengths),
              ElementsAre(Key("data.eval_length.0"), Key("data.mqar.pairs")));
  ConfigFields segments = training;
  segments["data.mqar.eval.0.pairs"] = "16";
  EXPECT_THAT(EvaluationFields(segments), ElementsAre(Key("data.mqar.eval.0.pairs")));
}

TEST(FindVaried, TellsWhatWasGivenFromWhatFollows) {
  const ConfigFields attention = {{"attention.heads", "2"},
                                  {"attention.rope", "true"},
                                  {"steps", "10"},
                                  {"optimizer.schedule.total_steps", "10"},
                                  {"seed", "1"}};
  const ConfigFields attention_given = {
      {"attention.heads", "2"}, {"steps", "10"}, {"optimizer.schedule.total_steps", "10"}};
  const ConfigFields memory = {{"memory.rule.name", "\"delta\""},
                               {"memory.conv", "4"},
                               {"steps", "20"},
                               {"optimizer.schedule.total_steps", "20"},
                               {"seed", "2"}};
  const ConfigFields memory_given = {
      {"memory.rule.name", "\"delta\""}, {"steps", "20"}, {"optimizer.schedule.total_steps", "20"}};
  const ConfigFields unknown;
  const VariedFields varied =
      FindVaried({{&attention, &attention_given}, {&unknown, &unknown}, {&memory, &memory_given}});
  EXPECT_THAT(varied.given, ElementsAre(Pair("attention.heads", ElementsAre("2", "", "")),
                                        Pair("memory.rule.name", ElementsAre("", "", "\"delta\"")),
                                        Pair("steps", ElementsAre("10", "", "20"))));
  EXPECT_THAT(varied.derived, ElementsAre(Key("attention.rope"), Key("memory.conv"),
                                          Key("optimizer.schedule.total_steps")));
}

TEST(FindVaried, HasSomethingGivenWhereAnythingDiffers) {
  const ConfigFields a = {{"rope", "true"}}, b = {{"gate", "1"}}, none;
  const VariedFields varied = FindVaried({{&a, &none}, {&b, &none}});
  EXPECT_THAT(varied.given, ElementsAre(Key("gate"), Key("rope")));
  EXPECT_TRUE(varied.derived.empty());
}

}  // namespace
}  // namespace palimpsest
