#include "ablation/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include "ablation/comparison_tables.h"
#include "ablation/report_charts.h"
#include "ablation/report_levels.h"
#include "ablation/report_parts.h"
#include "ablation/run_testing.h"
#include "train/file_testing.h"

namespace palimpsest {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ReportTest : public testing::Test {
 protected:
  ReportTest() : runs_(*ReadRuns({WriteFakeSweep()})), report_(*MakeReport(runs_, "", "")) {
    report_.command = "palimpsest compare 'it''s'";
  }
  const RunSet runs_;
  Report report_;
};

std::vector<std::string> Column(const Table& table, const std::string& key) {
  std::vector<std::string> texts;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    for (const auto& row : table.rows) {
      if (table.columns[c].key == key) texts.push_back(row[c].text);
    }
  }
  return texts;
}

TEST_F(ReportTest, RowsAreRankedAndTheirDifferencesTested) {
  const Table table = ResultTable(report_.comparisons[0]);
  EXPECT_THAT(Column(table, "row"), ElementsAre("rule=gated_delta", "rule=delta", "rule=hebbian",
                                                "<script>alert('x')</script>"));
  EXPECT_THAT(Column(table, "rank"), ElementsAre("1", "2", "-", "-"));
  EXPECT_THAT(Column(table, "n"), ElementsAre("3", "3", "1", "0"));
  EXPECT_THAT(Column(table, "runs"), ElementsAre("3", "3", "2", "2"));
  EXPECT_THAT(Column(table, "mean"), ElementsAre("1.4500", "1.5500", "2.4000", "-"));
  // The differences -0.1, -0.11, -0.09.
  EXPECT_THAT(Column(table, "difference"), ElementsAre("-0.1000", "-", "-", "-"));
  EXPECT_THAT(Column(table, "difference_ci95"), ElementsAre("0.0248", "-", "-", "-"));
  EXPECT_THAT(Column(table, "p"), ElementsAre("0.0033", "-", "-", "-"));
  EXPECT_THAT(Column(table, "test"), ElementsAre("paired, 3 seeds", "-", "-", "-"));
  EXPECT_THAT(Column(table, "verdict"),
              ElementsAre("better", "baseline", "n = 1, not ranked", "no result"));
  EXPECT_THAT(Column(ResultTable(report_.comparisons[1]), "mean"),
              ElementsAre("79.00", "68.33", "21.00", "-"));
  EXPECT_THAT(Column(ResultTable(report_.comparisons[2]), "mean"),
              ElementsAre("39.50", "34.17", "10.50", "-"));
}

TEST_F(ReportTest, CostsAreThoseOfCompleteRuns) {
  const Table table = CostTable(report_.comparisons[0]);
  EXPECT_THAT(Column(table, "parameters"), ElementsAre("123.5k", "123.5k", "123.5k", "-"));
  EXPECT_THAT(Column(table, "state_bytes"), ElementsAre("8.2 kB", "4.1 kB", "4.1 kB", "-"));
  EXPECT_THAT(Column(table, "flops_per_token"), Contains("254.3k"));
  EXPECT_THAT(Column(table, "seconds"), Contains("1:02"));
}

TEST_F(ReportTest, FailedRunsAreListedWithTheirLastLine) {
  const Table table = LostRunsTable(runs_);
  EXPECT_THAT(Column(table, "status"), ElementsAre("unfinished", "failed", "unfinished"));
  EXPECT_THAT(Column(table, "problem"),
              ElementsAre("not started", HasSubstr("the loss is nan; <b>"),
                          "stopped after step 200 of 400"));
  EXPECT_EQ(RunsTable(runs_).rows.size(), 10u);
}

TEST_F(ReportTest, ADeadLevelIsCalledDead) {
  const Table table = LivenessTable(runs_);
  EXPECT_EQ(table.rows.size(), 8u);
  EXPECT_THAT(table.rows[0][1].text, "blocks.0.mlp.levels.0");
  EXPECT_EQ(table.rows[0][4].text, "alive");
  EXPECT_EQ(table.rows[1][4].text, "dead");
  const std::vector<HeatMap> maps = LivenessMaps(runs_);
  ASSERT_EQ(maps.size(), 4u);
  ASSERT_EQ(maps[0].rows.size(), 2u);
  EXPECT_EQ(maps[0].x.size(), 40u);
  EXPECT_NEAR(maps[0].rows[0].values[0], 1e-3, 1e-4);
  EXPECT_FALSE(maps[0].rows[0].dead[0]);
  EXPECT_TRUE(maps[0].rows[1].dead[39]);
}

TEST_F(ReportTest, ChartsHaveALineForEachRow) {
  const std::vector<Plot> curves = CurvePlots(runs_);
  ASSERT_EQ(curves.size(), 4u);
  for (const Plot& plot : curves) ASSERT_EQ(plot.series.size(), 4u);
  EXPECT_EQ(curves[0].series[0].deviation.size(), 40u);
  EXPECT_TRUE(curves[0].series[2].deviation.empty());  // Of one run.
  EXPECT_EQ(curves[1].series[3].x.size(), 4u);         // Of none that is complete.
  const std::vector<Plot> costs = CostPlots(runs_, report_.comparisons);
  ASSERT_EQ(costs.size(), 1u);  // All have as many parameters and FLOPs.
  EXPECT_EQ(costs[0].title, "Validation accuracy against state");
  EXPECT_THAT(costs[0].series[1].x, ElementsAre(8.192));
  EXPECT_NEAR(costs[0].series[1].y[0], 79, 1e-9);
}

// Seed 1 is done at step 2; seed 2 has as many points as must be thinned, in groups of two.
TEST(CurvePlots, ARunThatIsDoneStaysAtItsLastValue) {
  RunRecord early, late;
  early.summary = late.summary = RunSummary();
  early.curves["val_accuracy"] = {{1, 2}, {0.2, 0.4}};
  late.curves["val_accuracy"] = {{1, 2, 3, 4}, {0, 0.2, 0.6, NAN}};
  for (int step = 1; step <= 600; ++step) {
    late.curves["loss"].steps.push_back(step);
    late.curves["loss"].values.push_back(step);
  }
  early.curves["loss"] = {{1, 2}, {5, 7}};
  RunSet runs{.rows = {{.name = "row", .id = "", .runs = {early, late}}}};
  const std::vector<Plot> plots = CurvePlots(runs);
  ASSERT_EQ(plots.size(), 3u);  // No sequence accuracy.
  EXPECT_THAT(plots[2].series[0].x, ElementsAre(1, 2, 3, 4));
  EXPECT_NEAR(plots[2].series[0].y[2], 50, 1e-9);
  EXPECT_TRUE(std::isnan(plots[2].series[0].y[3]));
  EXPECT_EQ(plots[0].series[0].x.size(), 300u);
  EXPECT_EQ(plots[0].series[0].y[0], (6 + 1.5) / 2);
  EXPECT_EQ(plots[0].series[0].y[299], (6 + 599.5) / 2);
  // Of unfinished runs nobody knows how they go on.
  for (RunRecord& run : runs.rows[0].runs) run.summary.reset();
  EXPECT_THAT(CurvePlots(runs)[2].series[0].x, ElementsAre(1, 2));
}

TEST_F(ReportTest, SaysInASentenceWhatCameOut) {
  EXPECT_EQ(Conclusion(report_),
            "By val_loss, rule=gated_delta has the best mean, 1.4500 ± 0.1138 over 3 seeds. "
            "Against the baseline, rule=delta, better: rule=gated_delta.");
  RunSet one = runs_;
  one.rows.resize(1);
  EXPECT_EQ(Conclusion(*MakeReport(one, "", "")),
            "The only row, rule=delta, has a mean val_loss of 1.5500 ± 0.1242 over 3 seeds.");
  EXPECT_THAT(FieldLines(runs_.varied.given),
              ElementsAre("model.block.0.memory.rule.name: \"delta\", "
                          "\"gated_delta\", \"hebbian\", \"oja\""));
  EXPECT_THAT(Programs(runs_), ElementsAre("palimpsest v0-test: 9 runs", "program 0123abcd"));
}

TEST_F(ReportTest, ThePageIsOneFileWithoutAnythingFromElsewhere) {
  std::string html = ReportHtml(report_);
  EXPECT_THAT(html, AllOf(Not(HasSubstr("<script>alert")), Not(HasSubstr("nan; <b>")),
                          HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
                          HasSubstr("Rules &amp; &lt;recall&gt;")));
  // Names of XML's namespaces are not fetched.
  const std::string space = "xmlns=\"http://www.w3.org/2000/svg\"";
  for (size_t at; (at = html.find(space)) != std::string::npos;) html.erase(at, space.size());
  for (const char* elsewhere : {"http:", "https:", "src=", "href=", "url(", "@import"})
    EXPECT_THAT(html, Not(HasSubstr(elsewhere)));
}

TEST_F(ReportTest, MarkdownAndCsvHaveTheSameTables) {
  const std::string text = ReportMarkdown(report_), csv = ReportCsv(report_);
  EXPECT_THAT(text, AllOf(HasSubstr("| rule=gated_delta | 1 | 3 | 3 | 1.4500 |"),
                          HasSubstr("## Failed, unfinished and damaged runs"),
                          HasSubstr("| &lt;script>alert('x')&lt;/script> | - | 0 |")));
  EXPECT_THAT(text.substr(0, text.find("```")), Not(HasSubstr("<script>")));
  EXPECT_THAT(csv, HasSubstr("metric,row,rank,n,runs,mean,mean_ci95,deviation,difference,"));
  EXPECT_THAT(csv, HasSubstr("\r\nval_loss,rule=gated_delta,1,3,3,1.45"));
  EXPECT_THAT(csv, HasSubstr("\r\nval_accuracy,rule=gated_delta,1,3,3,0.79"));
}

TEST_F(ReportTest, FitsATerminal) {
  for (const int width : {70, 100}) {
    std::istringstream lines(ReportText(report_, width));
    for (std::string line; std::getline(lines, line);) {
      const auto characters =
          std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
      EXPECT_LE(characters, width) << line;
    }
  }
}

TEST_F(ReportTest, IsWrittenWhereItIsTold) {
  const std::string dir = ScratchDir() + "/new";
  ASSERT_TRUE(WriteReport(report_, dir).ok());
  EXPECT_THAT(NamesIn(dir), ElementsAre("report.csv", "report.html", "report.md"));
}

TEST_F(ReportTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(std::string(MakeReport(runs_, "los", "").status().message()),
              HasSubstr("did you mean 'loss'"));
  EXPECT_THAT(std::string(MakeReport(runs_, "", "rule=detla").status().message()),
              HasSubstr("did you mean 'rule=delta'"));
}

}  // namespace
}  // namespace palimpsest
