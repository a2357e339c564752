#include "ablation/report_levels.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "ablation/report_charts.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "train/liveness.h"

namespace palimpsest {
namespace {

constexpr char kRatio[] = ".update_ratio", kUpdates[] = ".updates";
constexpr size_t kColumns = 60;

std::set<std::string> Levels(const RunRow& row) {
  std::set<std::string> levels;
  for (const RunRecord& run : row.runs) {
    for (const auto& [name, curve] : run.curves) {
      if (IsOfLevel(name)) levels.insert(name.substr(0, name.rfind('.')));
    }
  }
  return levels;
}

// Over what runs have at each step.
std::map<double, double> MeanByStep(const std::vector<RunCurve>& curves) {
  std::map<double, double> sum, count;
  for (const RunCurve& curve : curves) {
    for (size_t i = 0; i < curve.steps.size(); ++i)
      sum[curve.steps[i]] += curve.values[i], ++count[curve.steps[i]];
  }
  for (auto& [step, value] : sum) value /= count[step];
  return sum;
}

bool IsDead(double updates, double ratio) { return updates == 0 || ratio < kDeadUpdateRatio; }

HeatMap LivenessMap(const RunRow& row, const std::set<std::string>& levels) {
  struct Level {
    std::map<double, double> ratio, updates;
  };
  std::vector<Level> found;
  std::set<double> steps;
  for (const std::string& level : levels) {
    found.push_back({MeanByStep(RowCurves(row, level + kRatio, kColumns)),
                     MeanByStep(RowCurves(row, level + kUpdates, kColumns))});
    for (const auto* curve : {&found.back().ratio, &found.back().updates}) {
      for (const auto& [step, value] : *curve) steps.insert(step);
    }
  }
  const auto value_at = [](const std::map<double, double>& values, double step) {
    const auto it = values.find(step);
    return it == values.end() ? NAN : it->second;
  };
  HeatMap map{.title = row.name, .x_label = "step", .x = {steps.begin(), steps.end()}, .rows = {}};
  auto level = found.begin();
  for (const std::string& name : levels) {
    HeatMap::Row cells{name, {}, {}};
    for (const double step : map.x) {
      cells.values.push_back(value_at(level->ratio, step));
      cells.dead.push_back(IsDead(value_at(level->updates, step), cells.values.back()));
    }
    map.rows.push_back(std::move(cells));
    ++level;
  }
  return map;
}

// Over the last half of what was logged; NaN if nothing was.
double LateMean(const std::vector<RunCurve>& curves) {
  double sum = 0;
  int64_t count = 0;
  for (const RunCurve& curve : curves) {
    for (size_t i = curve.values.size() / 2; i < curve.values.size(); ++i)
      sum += curve.values[i], ++count;
  }
  return count == 0 ? NAN : sum / static_cast<double>(count);
}

TableCell Shown(double value) {
  if (std::isnan(value)) return {"-", Tone::kQuiet};
  return {absl::StrFormat("%.3g", value), value};
}

}  // namespace

bool IsOfLevel(const std::string& statistic) {
  return absl::EndsWith(statistic, kRatio) || absl::EndsWith(statistic, kUpdates);
}

std::vector<HeatMap> LivenessMaps(const RunSet& runs) {
  std::vector<HeatMap> maps;
  for (const RunRow& row : runs.rows) {
    if (const std::set<std::string> levels = Levels(row); !levels.empty())
      maps.push_back(LivenessMap(row, levels));
  }
  return maps;
}

Table LivenessTable(const RunSet& runs) {
  Table table{
      .title = "Levels",
      .columns = {{.key = "row", .header = "row", .number = false},
                  {.key = "level", .header = "level", .number = false},
                  {.key = "updates", .header = "updates", .hint = "In a batch's sequence, mean"},
                  {.key = "update_ratio",
                   .header = "|update| / |weights|",
                   .hint = "Mean of what was logged in the second half of training"},
                  {.key = "alive",
                   .header = "",
                   .hint = "Dead: without updates, or all of them lost to rounding",
                   .number = false}},
      .rows = {},
      .notes = {}};
  for (const RunRow& row : runs.rows) {
    for (const std::string& level : Levels(row)) {
      const double updates = LateMean(RowCurves(row, level + kUpdates, kColumns));
      const double ratio = LateMean(RowCurves(row, level + kRatio, kColumns));
      table.rows.push_back(
          {row.name, level, Shown(updates), Shown(ratio),
           IsDead(updates, ratio) ? TableCell("dead", Tone::kBad) : TableCell("alive")});
    }
  }
  return table;
}

}  // namespace palimpsest
