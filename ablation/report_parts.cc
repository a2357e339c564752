#include "ablation/report_parts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "ablation/shell_word.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "train/run_dir.h"

namespace palimpsest {
namespace {

constexpr size_t kMostVaried = 20;

std::string Number(const Metric& metric, double value) {
  return metric.share ? absl::StrFormat("%.2f%%", 100 * value) : absl::StrFormat("%.4f", value);
}

std::string MeanOf(const Metric& metric, const ComparedRow& row) {
  return absl::StrCat(Number(metric, row.estimate->mean), " ± ",
                      Number(metric, row.estimate->half_width));
}

std::string ValueOr(const std::map<std::string, std::string>& values, const std::string& name) {
  const auto it = values.find(name);
  return it == values.end() ? "-" : it->second;
}

}  // namespace

std::string Conclusion(const Report& report) {
  const Comparison& comparison = report.comparisons[0];
  const Metric& metric = comparison.metric;
  const ComparedRow& best = comparison.rows[0];
  if (best.rank == 0)
    return absl::StrCat("No row has more than one seed, so none is ranked: train from more seeds.");
  if (comparison.rows.size() == 1)
    return absl::StrCat("The only row, ", best.row->name, ", has a mean ", metric.name, " of ",
                        MeanOf(metric, best), " over ", best.values.size(), " seeds.");
  std::vector<std::string> better, worse;
  for (const ComparedRow& row : comparison.rows) {
    if (row.verdict == Verdict::kBetter) better.push_back(row.row->name);
    if (row.verdict == Verdict::kWorse) worse.push_back(row.row->name);
  }
  std::string text = absl::StrCat("By ", metric.name, ", ", best.row->name, " has the best mean, ",
                                  MeanOf(metric, best), " over ", best.values.size(), " seeds. ");
  if (better.empty() && worse.empty())
    return absl::StrCat(text, "No row differs from the baseline, ", comparison.baseline,
                        ", by more than chance.");
  absl::StrAppend(&text, "Against the baseline, ", comparison.baseline, ", ");
  if (!better.empty()) absl::StrAppend(&text, "better: ", absl::StrJoin(better, "; "));
  if (!better.empty() && !worse.empty()) text += ". ";
  if (!worse.empty())
    absl::StrAppend(&text, better.empty() ? "worse: " : "Worse: ", absl::StrJoin(worse, "; "));
  return text + ".";
}

std::vector<std::string> FieldLines(const std::map<std::string, std::vector<std::string>>& varied) {
  std::vector<std::string> lines;
  for (const auto& [field, values] : varied) {
    std::vector<std::string> different;
    for (const std::string& value : values) {
      const std::string shown = value.empty() ? "unset" : value;
      if (std::find(different.begin(), different.end(), shown) == different.end())
        different.push_back(shown);
    }
    lines.push_back(absl::StrCat(field, ": ", absl::StrJoin(different, ", ")));
  }
  if (lines.size() > kMostVaried) {
    const size_t more = lines.size() - kMostVaried;
    lines.resize(kMostVaried);
    lines.push_back(absl::StrCat("and ", more, more == 1 ? " field more" : " fields more"));
  }
  return lines;
}

Table ConfigDifferences(const RunSet& runs, const RunRow& row, const std::string& baseline) {
  Table table{.title = absl::StrCat("Config of ", row.name),
              .columns = {{.key = "field", .header = "field", .hint = "", .number = false},
                          {.key = "baseline", .header = baseline, .hint = "", .number = false},
                          {.key = "row", .header = row.name, .hint = "", .number = false}},
              .rows = {},
              .notes = {}};
  const RunRecord* own = RunWithConfig(row);
  const auto base_row = std::find_if(runs.rows.begin(), runs.rows.end(),
                                     [&](const RunRow& r) { return r.name == baseline; });
  if (own == nullptr || base_row == runs.rows.end() || &*base_row == &row) return table;
  const RunRecord* base = RunWithConfig(*base_row);
  if (base == nullptr) return table;
  std::set<std::string> fields;
  for (const auto& [field, value] : own->config) fields.insert(field);
  for (const auto& [field, value] : base->config) fields.insert(field);
  for (const std::string& field : fields) {
    const std::string a = ValueOr(base->config, field), b = ValueOr(own->config, field);
    if (a != b && !IsOfOneRun(field)) table.rows.push_back({field, a, b});
  }
  return table;
}

std::string HowToReproduce(const Report& report) {
  std::string text;
  for (const RunRow& row : report.runs->rows) {
    const RunRecord* run = RunWithConfig(row);
    if (run == nullptr) continue;
    std::set<uint64_t> seeds;
    for (const RunRecord& r : row.runs) seeds.insert(r.seed);
    absl::StrAppend(&text, "# ", absl::StrReplaceAll(row.name, {{"\n", " "}}), ": seeds ",
                    absl::StrJoin(seeds, ", "),
                    "\npalimpsest train --config=", ShellWord(RunConfigPath(run->dir)),
                    " --run_dir=runs/again seed=", run->seed, "\n");
  }
  if (!report.command.empty()) absl::StrAppend(&text, "# this report\n", report.command, "\n");
  return text;
}

std::vector<std::string> Programs(const RunSet& runs) {
  std::map<std::string, int> versions;
  for (const RunRow& row : runs.rows) {
    for (const RunRecord& run : row.runs) {
      if (!run.version.empty()) ++versions[run.version];
    }
  }
  std::vector<std::string> lines;
  for (const auto& [version, count] : versions)
    lines.push_back(
        absl::StrCat("palimpsest ", version, ": ", count, count == 1 ? " run" : " runs"));
  if (versions.size() > 1)
    lines.emplace_back("The runs are of more than one version of the program.");
  if (!runs.program.empty()) lines.push_back(absl::StrCat("program ", runs.program));
  return lines;
}

}  // namespace palimpsest
