#include "ablation/report.h"

#include <algorithm>

#include "ablation/comparison_tables.h"
#include "ablation/report_levels.h"
#include "ablation/report_parts.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "report/markdown.h"
#include "report/table.h"
#include "train/atomic_file.h"
#include "train/file.h"
#include "train/progress.h"

namespace palimpsest {
namespace {

// A block of code, whatever runs of backquotes it has.
std::string CodeBlock(const std::string& text) {
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += "`";
  return absl::StrCat("\n", fence, "\n", text, fence, "\n");
}

// With notes that wrap.
std::string Fitted(Table table, int width) {
  std::vector<std::string> lines;
  for (const std::string& note : table.notes) {
    for (const auto& line : absl::StrSplit(WrapWords(note, width, 2), '\n'))
      lines.emplace_back(line);
  }
  table.notes = lines;
  return TableText(table, width);
}

// A share that is zero everywhere is none that the task gives.
bool SaysSomething(const Comparison& comparison) {
  return !comparison.metric.share ||
         std::any_of(comparison.rows.begin(), comparison.rows.end(),
                     [](const ComparedRow& r) { return r.estimate && r.estimate->mean > 0; });
}

}  // namespace

absl::StatusOr<Report> MakeReport(const RunSet& runs, const std::string& metric,
                                  const std::string& baseline) {
  std::string first = metric.empty() ? runs.metric : metric;
  if (first.empty()) first = "val_loss";
  const absl::StatusOr<Metric> chosen = FindMetric(first);
  if (!chosen.ok()) return chosen.status();
  absl::StatusOr<Comparison> comparison = Compare(runs, *chosen, baseline);
  if (!comparison.ok()) return comparison.status();
  Report report{.runs = &runs, .comparisons = {*std::move(comparison)}};
  for (const char* other : {"val_loss", "val_accuracy", "val_sequence_accuracy"}) {
    if (other == first) continue;
    absl::StatusOr<Comparison> more = Compare(runs, *FindMetric(other), baseline);
    if (more.ok() && SaysSomething(*more)) report.comparisons.push_back(*std::move(more));
  }
  return report;
}

std::string ReportText(const Report& report, int width) {
  std::string text;
  for (const Comparison& comparison : report.comparisons)
    absl::StrAppend(&text, Fitted(ResultTable(comparison), width), "\n");
  text += Fitted(CostTable(report.comparisons[0]), width);
  const Table lost = LostRunsTable(*report.runs);
  if (!lost.rows.empty()) absl::StrAppend(&text, "\n", Fitted(lost, width));
  return text;
}

std::string ReportMarkdown(const Report& report) {
  const RunSet& runs = *report.runs;
  std::string text =
      absl::StrCat("# ", MarkdownText(runs.title), "\n\n", MarkdownText(Conclusion(report)), "\n");
  for (const std::string& line : FieldLines(runs.varied.given))
    absl::StrAppend(&text, "\n- ", MarkdownText(line));
  text += "\n";
  for (const Comparison& comparison : report.comparisons)
    absl::StrAppend(&text, "\n", TableMarkdown(ResultTable(comparison)));
  absl::StrAppend(&text, "\n", TableMarkdown(CostTable(report.comparisons[0])));
  for (const Table& table : {LivenessTable(runs), LostRunsTable(runs), RunsTable(runs)}) {
    if (!table.rows.empty()) absl::StrAppend(&text, "\n", TableMarkdown(table));
  }
  for (const RunRow& row : runs.rows) {
    const Table table = ConfigDifferences(runs, row, report.comparisons[0].baseline);
    if (!table.rows.empty()) absl::StrAppend(&text, "\n", TableMarkdown(table));
  }
  absl::StrAppend(&text, "\n## How to do it again\n", CodeBlock(HowToReproduce(report)));
  for (const std::string& line : Programs(runs))
    absl::StrAppend(&text, "\n", MarkdownText(line), "\n");
  return text;
}

std::string ReportCsv(const Report& report) {
  std::vector<Table> tables;
  for (const Comparison& comparison : report.comparisons) {
    Table cost = CostTable(comparison);
    cost.columns.erase(cost.columns.begin());
    for (auto& row : cost.rows) row.erase(row.begin());
    Table table = Beside(ResultTable(comparison), cost);
    table.title = comparison.metric.name;
    tables.push_back(std::move(table));
  }
  return TablesCsv("metric", tables);
}

absl::Status WriteReport(const Report& report, const std::string& dir) {
  if (absl::Status s = MakeDirectories(dir); !s.ok()) return s;
  absl::Status status = WriteFileAtomically(JoinPath(dir, "report.html"), ReportHtml(report));
  status.Update(WriteFileAtomically(JoinPath(dir, "report.md"), ReportMarkdown(report)));
  status.Update(WriteFileAtomically(JoinPath(dir, "report.csv"), ReportCsv(report)));
  return status;
}

}  // namespace palimpsest
