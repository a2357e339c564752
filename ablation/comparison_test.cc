#include "ablation/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace palimpsest {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Complete runs with these validation losses by seed; the accuracies are their negatives.
RunRow Row(const std::string& name, const std::map<uint64_t, double>& losses) {
  RunRow row{.name = name, .id = "", .runs = {}};
  for (const auto& [seed, loss] : losses) {
    RunRecord run;
    run.seed = seed;
    run.status = RunStatus::kComplete;
    run.summary = RunSummary{.val_loss = loss, .val_accuracy = -loss};
    row.runs.push_back(run);
  }
  return row;
}

RunRecord Incomplete(RunStatus status) {
  RunRecord run;
  run.status = status;
  run.dir = "runs/x";
  run.problem = "killed";
  return run;
}

Comparison CompareBy(const RunSet& set, const std::string& metric = "val_loss",
                     const std::string& baseline = "base") {
  absl::StatusOr<Comparison> comparison = Compare(set, *FindMetric(metric), baseline);
  EXPECT_TRUE(comparison.ok()) << std::string(comparison.status().message());
  return *std::move(comparison);
}

ComparedRow Find(const Comparison& comparison, const std::string& name) {
  for (const ComparedRow& row : comparison.rows) {
    if (row.row->name == name) return row;
  }
  ADD_FAILURE() << "no row " << name;
  return comparison.rows[0];
}

std::vector<std::string> Names(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const ComparedRow& row : comparison.rows) names.push_back(row.row->name);
  return names;
}

TEST(Compare, RanksByTheMeanInTheMetricsDirection) {
  const RunSet set{.rows = {Row("base", {{1, 3}, {2, 3.5}}), Row("low", {{1, 1}, {2, 1.2}}),
                            Row("high", {{1, 4}, {2, 4.1}})}};
  EXPECT_THAT(Names(CompareBy(set)), ElementsAre("low", "base", "high"));
  EXPECT_THAT(Names(CompareBy(set, "val_accuracy")), ElementsAre("low", "base", "high"));
  EXPECT_EQ(CompareBy(set).rows[2].rank, 3);
  EXPECT_NEAR(Find(CompareBy(set), "low").estimate->mean, 1.1, 1e-12);
}

// The differences -1, -1.1, -0.9: mean -1, deviation 0.1, t = -10 sqrt(3) of two degrees.
TEST(Compare, PairsBySeedWhereSeedsAreShared) {
  const RunSet set{.rows = {Row("base", {{1, 3}, {2, 5}, {3, 9}, {9, 100}}),
                            Row("new", {{3, 8.1}, {2, 3.9}, {1, 2}})}};
  const Comparison comparison = CompareBy(set);
  const ComparedRow row = Find(comparison, "new");
  EXPECT_EQ(row.pairing, Pairing::kBySeed);
  EXPECT_EQ(row.pairs, 3);
  EXPECT_NEAR(row.difference->mean, -1, 1e-12);
  EXPECT_NEAR(row.difference->half_width, 4.30265272974946372 * 0.1 / std::sqrt(3.0), 1e-9);
  const double root = std::sqrt(302.0), t = std::sqrt(300.0);
  EXPECT_NEAR(row.difference->p, 2 / (root * (root + t)), 1e-9);
  EXPECT_EQ(row.p_holm, row.difference->p);
  EXPECT_EQ(row.verdict, Verdict::kBetter);
  EXPECT_EQ(Find(CompareBy(set, "val_accuracy"), "new").verdict, Verdict::kBetter);
  EXPECT_FALSE(Find(comparison, "base").difference);
}

TEST(Compare, WithoutSharedSeedsTheTestIsWelchs) {
  const RunSet set{
      .rows = {Row("base", {{1, 0.5}, {2, 1.25}}), Row("new", {{1, 1}, {7, 2}, {8, 4.5}})}};
  const ComparedRow row = Find(CompareBy(set), "new");
  EXPECT_EQ(row.pairing, Pairing::kWelch);
  EXPECT_NEAR(row.difference->mean, 1.625, 1e-12);
  EXPECT_NEAR(row.difference->p, 0.256531289951023572, 1e-9);
  EXPECT_EQ(row.verdict, Verdict::kNone);
}

TEST(Compare, DoesNotRankOneSeedAndSaysSo) {
  const RunSet set{.rows = {Row("once", {{1, 0.1}}), Row("base", {{1, 3}, {2, 4}}),
                            Row("new", {{1, 1}, {2, 2}})}};
  const Comparison comparison = CompareBy(set);
  EXPECT_THAT(Names(comparison), ElementsAre("new", "base", "once"));
  const ComparedRow& once = comparison.rows[2];
  EXPECT_EQ(once.rank, 0);
  EXPECT_EQ(once.estimate->mean, 0.1);
  EXPECT_FALSE(once.difference);
  EXPECT_EQ(once.verdict, Verdict::kNone);
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("Not ranked, for one seed says nothing of the "
                                                   "spread: once.")));
  // Nor does a baseline of one seed stand for anything.
  for (const ComparedRow& row : CompareBy(set, "val_loss", "once").rows)
    EXPECT_FALSE(row.difference);
}

TEST(Compare, ManyComparisonsNeedMoreThanOne) {
  // Alone it would be significant: t = 5 of 2 degrees, p = 0.038.
  const auto shifted = [](double by) {
    const double s = by / 5 * std::sqrt(3.0);
    return std::map<uint64_t, double>{{1, by - s}, {2, by}, {3, by + s}};
  };
  const RunSet one{.rows = {Row("base", {{1, 0}, {2, 0}, {3, 0}}), Row("a", shifted(1))}};
  EXPECT_EQ(Find(CompareBy(one), "a").verdict, Verdict::kWorse);
  RunSet two = one;
  two.rows.push_back(Row("b", shifted(2)));
  const Comparison comparison = CompareBy(two);
  const ComparedRow row = Find(comparison, "a");
  EXPECT_NEAR(row.p_holm, 2 * row.difference->p, 1e-12);
  EXPECT_EQ(row.verdict, Verdict::kNone);
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("Holm's, of 2 comparisons")));
}

TEST(Compare, NoSpreadIsNoEvidence) {
  const RunSet set{.rows = {Row("base", {{1, 0}, {2, 0}}), Row("all", {{1, 1}, {2, 1}})}};
  const Comparison comparison = CompareBy(set);
  const ComparedRow row = Find(comparison, "all");
  EXPECT_EQ(row.difference->mean, 1);
  EXPECT_TRUE(std::isnan(row.p_holm));
  EXPECT_EQ(row.verdict, Verdict::kNone);
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("do not spread at all")));
}

// By the loss of one task nothing is said of a model of another.
TEST(Compare, RanksOnlyWhatIsScoredOnTheBaselinesData) {
  RunSet set{.rows = {Row("base", {{1, 3}, {2, 4}}), Row("easy", {{1, 1}, {2, 2}}),
                      Row("same", {{1, 5}, {2, 6.5}})}};
  for (RunRow& row : set.rows) {
    for (RunRecord& run : row.runs)
      run.config = {{"data.mqar.pairs", row.name == "easy" ? "2" : "8"}, {"length", "64"}};
  }
  const Comparison comparison = CompareBy(set);
  EXPECT_THAT(Names(comparison), ElementsAre("base", "same", "easy"));
  const ComparedRow& easy = comparison.rows[2];
  EXPECT_FALSE(easy.comparable);
  EXPECT_EQ(easy.rank, 0);
  EXPECT_EQ(easy.estimate->mean, 1.5);
  EXPECT_FALSE(easy.difference);
  EXPECT_TRUE(comparison.rows[1].difference);
  EXPECT_THAT(
      comparison.notes,
      Contains(HasSubstr("other validation data than the baseline (data.mqar.pairs): easy")));
  EXPECT_THAT(Names(CompareBy(set, "val_loss", "easy")), ElementsAre("easy", "base", "same"));
}

TEST(Compare, NamesTheFirstFewOfMany) {
  RunSet set{.rows = {Row("base", {{1, 3}, {2, 4}})}};
  for (int i = 0; i < 40; ++i) set.rows.push_back(Row("r" + std::to_string(i), {{1, 1}}));
  EXPECT_THAT(CompareBy(set).notes,
              Contains(HasSubstr("r0; r1; r2; r3; r4; r5; r6; r7; and 32 more")));
}

TEST(Compare, CountsWhatIsNotInTheMeans) {
  RunSet set{.rows = {Row("base", {{1, 3}, {2, NAN}, {3, 4}, {4, 5}}), {"none", "", {}}}};
  set.rows[1].runs = {Incomplete(RunStatus::kFailed), Incomplete(RunStatus::kUnfinished)};
  set.rows[0].runs.push_back(set.rows[0].runs[0]);
  const Comparison comparison = CompareBy(set);
  EXPECT_EQ(comparison.rows[0].estimate->mean, 4);
  EXPECT_EQ(comparison.rows[0].not_finite, 1);
  EXPECT_EQ(comparison.rows[1].failed, 1);
  EXPECT_EQ(comparison.rows[1].unfinished, 1);
  EXPECT_FALSE(comparison.rows[1].estimate);
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("2 runs failed or unfinished")));
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("1 run ended with a val_loss")));
  EXPECT_THAT(comparison.notes, Contains(HasSubstr("base has seed 1 more than once")));
}

TEST(Compare, SaysWhatIsWrong) {
  const RunSet set{.rows = {Row("base", {{1, 3}}), Row("delta", {{1, 3}})}};
  const auto problem = [](const RunSet& of, const std::string& baseline) {
    return std::string(Compare(of, KnownMetrics()[0], baseline).status().message());
  };
  EXPECT_THAT(problem(set, "detla"), HasSubstr("did you mean 'delta'? Known: base, delta"));
  RunSet none{.rows = {{"base", "", {Incomplete(RunStatus::kFailed)}}}};
  EXPECT_THAT(problem(none, ""), HasSubstr("1 failed, 0 unfinished; runs/x: killed"));
  RunSet sweep{.sweep_dir = "runs/s", .rows = {{"base", "", {Incomplete(RunStatus::kUnfinished)}}}};
  EXPECT_THAT(problem(sweep, ""), HasSubstr("to go on: palimpsest ablate --out=runs/s"));
  EXPECT_THAT(std::string(FindMetric("valloss").status().message()),
              HasSubstr("Known: val_loss, val_accuracy, val_sequence_accuracy, loss"));
}

TEST(Compare, TheBaselineIsTheSweepsElseTheFirstRow) {
  RunSet set{.rows = {Row("a", {{1, 3}}), Row("b", {{1, 3}})}};
  EXPECT_EQ(CompareBy(set, "val_loss", "").baseline, "a");
  set.baseline = "b";
  EXPECT_EQ(CompareBy(set, "val_loss", "").baseline, "b");
}

}  // namespace
}  // namespace palimpsest
