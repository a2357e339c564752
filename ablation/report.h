#ifndef ABLATION_REPORT_H_
#define ABLATION_REPORT_H_

#include <string>
#include <vector>

#include "ablation/comparison.h"
#include "absl/status/status.h"

namespace palimpsest {

// Of one set of runs; the first comparison is by the metric that matters most.
struct Report {
  const RunSet* runs = nullptr;
  std::vector<Comparison> comparisons;
  std::string command = {};  // What makes this report again, for a shell (ShellWord).
};

// By `metric` (empty: the sweep's, else val_loss) and then by the validation metrics besides it
// that any run has. Errors are Compare's and FindMetric's.
absl::StatusOr<Report> MakeReport(const RunSet& runs, const std::string& metric,
                                  const std::string& baseline);

// The comparisons, the costs and what was lost, for a terminal of `width` columns.
std::string ReportText(const Report& report, int width);
// One page that needs no other file and no network.
std::string ReportHtml(const Report& report);
std::string ReportMarkdown(const Report& report);
// A line for each metric and row, with what the row costs.
std::string ReportCsv(const Report& report);

// report.html, report.md and report.csv in `dir`.
absl::Status WriteReport(const Report& report, const std::string& dir);

}  // namespace palimpsest

#endif  // ABLATION_REPORT_H_
