#include "report/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Table Example() {
  return {.title = "val loss",
          .columns = {{.key = "row", .header = "row", .number = false},
                      {.key = "mean", .header = "mean", .hint = "over <seeds>"},
                      {.key = "ci95", .header = "± 95%", .spare = 2},
                      {.key = "note", .header = "note", .number = false, .spare = 1}},
          .rows = {{{"delta"}, {"1.25", 1.25}, {"0.1", 0.1}, {"better", Tone::kGood}},
                   {{"<script>|`x`, \"y\""}, {"10.50", 10.5 + 1e-12}, {"-"}, {""}}},
          .notes = {"a *note* & more"}};
}

TEST(TableText, AlignsNumbersToTheRight) {
  EXPECT_EQ(TableText(Example(), 80),
            "val loss\n"
            "row                 mean  ± 95%  note\n"
            "delta               1.25    0.1  better\n"
            "<script>|`x`, \"y\"  10.50      -\n"
            "a *note* & more\n");
}

TEST(TableText, LeavesOutWhatDoesNotFitAndSaysSo) {
  const std::string narrow = TableText(Example(), 34);
  EXPECT_THAT(narrow, HasSubstr("(no room for ± 95%)"));
  EXPECT_THAT(narrow, HasSubstr("better"));
  const std::string narrower = TableText(Example(), 20);
  EXPECT_THAT(narrower, HasSubstr("(no room for ± 95%, note)"));
  EXPECT_THAT(narrower, HasSubstr("<script>… \"y\"  10.50\n"));
}

TEST(TableText, DoesNothingToATerminal) {
  Table table = Example();
  table.rows[0][0].text = "\x1b[31mred\n";
  EXPECT_THAT(TableText(table, 80), HasSubstr("?[31mred?"));
}

TEST(TableMarkdown, ShowsTextAsItIs) {
  EXPECT_EQ(TableMarkdown(Example()),
            "## val loss\n"
            "\n"
            "| row | mean | ± 95% | note |\n"
            "| --- | ---: | ---: | --- |\n"
            "| delta | 1.25 | 0.1 | better |\n"
            "| &lt;script>\\|\\`x\\`, \"y\" | 10.50 | - |  |\n"
            "\n"
            "a \\*note\\* &amp; more\n");
}

TEST(TablesCsv, HasWholeNumbersAndQuotes) {
  Table second = Example();
  second.title = "other";
  second.rows.resize(1);
  EXPECT_EQ(TablesCsv("metric", {Example(), second}),
            "metric,row,mean,ci95,note\r\n"
            "val loss,delta,1.25,0.1,better\r\n"
            "val loss,\"<script>|`x`, \"\"y\"\"\",10.500000000001,-,\r\n"
            "other,delta,1.25,0.1,better\r\n");
}

TEST(TableHtml, EscapesAndCarriesValues) {
  const std::string html = TableHtml(Example());
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, HasSubstr("<td>&lt;script&gt;|`x`, &quot;y&quot;</td>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"number\" data-value=\"1.25\">1.25</td>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"good\">better</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"col\" class=\"number\" title=\"over &lt;seeds&gt;\">"));
  EXPECT_THAT(html, HasSubstr("<p class=\"note\">a *note* &amp; more</p>"));
}

TEST(Beside, JoinsColumns) {
  const Table both = Beside(Example(), Example());
  EXPECT_EQ(both.columns.size(), 8u);
  EXPECT_EQ(both.rows[1].size(), 8u);
  EXPECT_EQ(both.notes.size(), 2u);
}

TEST(Table, ARaggedOneIsAMistake) {
  Table table = Example();
  table.rows[0].pop_back();
  EXPECT_DEATH(TableHtml(table), "a row of 3 cells in the table \"val loss\" of 4 columns");
}

}  // namespace
}  // namespace palimpsest
