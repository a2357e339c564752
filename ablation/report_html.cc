#include <algorithm>
#include <string>
#include <vector>

#include "ablation/comparison_tables.h"
#include "ablation/report.h"
#include "ablation/report_charts.h"
#include "ablation/report_levels.h"
#include "ablation/report_page.h"
#include "ablation/report_parts.h"
#include "absl/strings/str_cat.h"
#include "report/heat_map.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/table.h"

namespace palimpsest {
namespace {

constexpr size_t kMostStatistics = 40;

std::string Section(const std::string& id, const std::string& title, const std::string& body) {
  return absl::StrCat("<section id=\"", id, "\">\n<h2>", EscapeHtml(title), "</h2>\n", body,
                      "</section>\n");
}

std::string Details(const std::string& summary, const std::string& body) {
  return absl::StrCat("<details><summary>", EscapeHtml(summary), "</summary>\n", body,
                      "</details>\n");
}

std::string Paragraph(const std::string& text) {
  return absl::StrCat("<p>", EscapeHtml(text), "</p>\n");
}

// A click on a name hides its lines in the charts of the same section.
std::string Legend(const std::vector<std::string>& names) {
  std::string items;
  for (size_t i = 0; i < names.size(); ++i)
    absl::StrAppend(&items, "<li><button type=\"button\" data-row=\"", i, "\">", LegendMark(i),
                    EscapeHtml(names[i]), "</button></li>\n");
  return absl::StrCat("<ul class=\"legend\">\n", items, "</ul>\n");
}

std::string FiguresOf(const std::vector<std::string>& svgs) {
  std::string html = "<div class=\"figures\">\n";
  for (const std::string& svg : svgs) absl::StrAppend(&html, "<figure>", svg, "</figure>\n");
  return html + "</div>\n";
}

std::string Figures(const std::vector<Plot>& plots) {
  std::vector<std::string> svgs;
  for (const Plot& plot : plots) svgs.push_back(PlotSvg({plot}));
  return FiguresOf(svgs);
}

bool HasPoints(const Plot& plot) {
  return std::any_of(plot.series.begin(), plot.series.end(),
                     [](const PlotSeries& s) { return !s.x.empty(); });
}

std::vector<Plot> WithPoints(std::vector<Plot> plots) {
  std::erase_if(plots, [](const Plot& plot) { return !HasPoints(plot); });
  return plots;
}

std::string List(const std::vector<std::string>& lines) {
  std::string items;
  for (const std::string& line : lines)
    absl::StrAppend(&items, "<li>", EscapeHtml(line), "</li>\n");
  return absl::StrCat("<ul class=\"varied\">\n", items, "</ul>\n");
}

class Page {
 public:
  explicit Page(const Report& report) : report_(report), runs_(*report.runs) {}

  std::string Draw() {
    return absl::StrCat(
        PageHead(runs_.title), Header(), Results(), Charts(), Liveness(), Statistics(), LostRuns(),
        Configs(), Section("runs", "Every run", TableHtml(RunsTable(runs_))), Again(), PageFoot());
  }

 private:
  std::string Header() const {
    const std::vector<std::string> given = FieldLines(runs_.varied.given),
                                   derived = FieldLines(runs_.varied.derived);
    std::string varied;
    if (!given.empty()) varied = absl::StrCat("<p class=\"lead\">What differs</p>\n", List(given));
    if (!derived.empty()) varied += Details("What follows from that, by default", List(derived));
    return absl::StrCat("<header>\n<h1>", EscapeHtml(runs_.title), "</h1>\n<p class=\"verdict\">",
                        EscapeHtml(Conclusion(report_)), "</p>\n", varied, "</header>\n");
  }

  std::string Results() const {
    std::string body;
    for (const Comparison& comparison : report_.comparisons)
      body += TableHtml(ResultTable(comparison));
    return Section("results", "Results", body + TableHtml(CostTable(report_.comparisons[0])));
  }

  // One for all charts whose lines are rows.
  std::string RowLegend() const {
    std::vector<std::string> names;
    for (const RunRow& row : runs_.rows) names.push_back(row.name);
    return Legend(names);
  }

  std::string Charts() const {
    const std::vector<Plot> curves = WithPoints(CurvePlots(runs_));
    const std::vector<Plot> costs = WithPoints(CostPlots(runs_, report_.comparisons));
    std::string html;
    if (!curves.empty())
      html += Section(
          "curves", "Curves",
          RowLegend() + Figures(curves) +
              Paragraph("Means over seeds; bands are their deviation. A run that is done before "
                        "others of its row counts on with its last value."));
    if (!costs.empty())
      html += Section(
          "costs", "What it costs",
          RowLegend() + Figures(costs) +
              Paragraph("Means over seeds, with their 95% intervals; an arrow where an interval "
                        "goes on past what values can be. Points of about one cost stand side by "
                        "side."));
    return html;
  }

  std::string Liveness() const {
    const Table table = LivenessTable(runs_);
    if (table.rows.empty()) return "";
    const std::vector<HeatMap> maps = LivenessMaps(runs_);
    const HeatScale scale = HeatScaleOf("|update| / |weights|, mean over seeds", maps);
    std::vector<std::string> figures;
    for (const HeatMap& map : maps) figures.push_back(HeatMapSvg(map, scale));
    return Section("liveness", "Levels and how much they learn",
                   absl::StrCat("<div class=\"scale\">", HeatScaleSvg(scale), "</div>\n",
                                FiguresOf(figures), TableHtml(table)));
  }

  std::string Statistics() const {
    std::vector<std::string> names = StatisticNames(runs_);
    if (names.empty()) return "";
    std::string summary =
        absl::StrCat(names.size(), names.size() == 1 ? " statistic" : " statistics");
    if (names.size() > kMostStatistics) {
      absl::StrAppend(&summary, ", the first ", kMostStatistics,
                      " of them here; metrics.jsonl has all");
      names.resize(kMostStatistics);
    }
    std::vector<Plot> plots;
    for (const std::string& name : names) plots.push_back(StatisticPlot(runs_, name));
    return Section("statistics", "What the models said of themselves",
                   Details(summary, RowLegend() + Figures(plots)));
  }

  std::string LostRuns() const {
    const Table table = LostRunsTable(runs_);
    return table.rows.empty()
               ? ""
               : Section("lost", "Runs that are not complete, or not whole", TableHtml(table));
  }

  std::string Configs() const {
    const std::string& baseline = report_.comparisons[0].baseline;
    std::string body;
    for (const RunRow& row : runs_.rows) {
      const Table table = ConfigDifferences(runs_, row, baseline);
      const size_t count = table.rows.size();
      const std::string differs =
          count == 0 ? ""
                     : absl::StrCat(", ", count, count == 1 ? " field differs" : " fields differ",
                                    " from ", baseline);
      std::string inside = table.rows.empty() ? "" : TableHtml(table);
      if (!row.runs.empty())
        absl::StrAppend(&inside, "<pre>", EscapeHtml(row.runs[0].config_text), "</pre>\n");
      body += Details(row.name + differs, inside);
    }
    return Section("configs", "Configs", body);
  }

  std::string Again() const {
    std::string body = absl::StrCat("<pre>", EscapeHtml(HowToReproduce(report_)), "</pre>\n");
    for (const std::string& line : Programs(runs_)) body += Paragraph(line);
    return Section("again", "How to do it again", body);
  }

  const Report& report_;
  const RunSet& runs_;
};

}  // namespace

std::string ReportHtml(const Report& report) { return Page(report).Draw(); }

}  // namespace palimpsest
