#include "ablation/report_charts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace palimpsest {
namespace {

// More points than a chart has pixels for are averaged, a few at a time.
constexpr size_t kMostPoints = 300, kFewPoints = 60;
constexpr char kRatio[] = ".update_ratio", kUpdates[] = ".updates";

RunCurve Thin(const RunCurve& curve, size_t most) {
  const size_t group = (curve.steps.size() + most - 1) / most;
  if (group <= 1) return curve;
  RunCurve thin;
  for (size_t i = 0; i < curve.steps.size(); i += group) {
    const size_t end = std::min(i + group, curve.steps.size());
    double step = 0, value = 0;
    for (size_t k = i; k < end; ++k) step += curve.steps[k], value += curve.values[k];
    thin.steps.push_back(step / static_cast<double>(end - i));
    thin.values.push_back(value / static_cast<double>(end - i));
  }
  return thin;
}

// Of the runs that stand for the row.
std::vector<RunCurve> CurvesOf(const RunRow& row, const std::string& name,
                               size_t most_points = kMostPoints) {
  const bool any_complete = std::any_of(row.runs.begin(), row.runs.end(),
                                        [](const RunRecord& run) { return run.summary; });
  std::vector<RunCurve> curves;
  for (const RunRecord& run : row.runs) {
    const auto curve = run.curves.find(name);
    if (curve == run.curves.end() || (any_complete && !run.summary)) continue;
    curves.push_back(Thin(curve->second, most_points));
  }
  return curves;
}

PlotSeries MeanSeries(const std::string& name, const std::vector<RunCurve>& curves) {
  std::map<double, std::vector<double>> at;
  for (const RunCurve& curve : curves) {
    for (size_t i = 0; i < curve.steps.size(); ++i) at[curve.steps[i]].push_back(curve.values[i]);
  }
  PlotSeries series{name, {}, {}};
  for (const auto& [step, values] : at) {
    if (values.size() < curves.size()) continue;
    const Estimate e = EstimateOf(values);
    series.x.push_back(step);
    series.y.push_back(e.mean);
    if (curves.size() > 1) series.deviation.push_back(e.deviation);
  }
  return series;
}

// Without such curves a series without points, which keeps the colours of the others.
PlotSeries RowSeries(const RunRow& row, const std::string& curve, const std::string& name,
                     size_t most_points = kMostPoints) {
  const std::vector<RunCurve> curves = CurvesOf(row, curve, most_points);
  return curves.empty() ? PlotSeries{name, {}, {}} : MeanSeries(name, curves);
}

Plot CurvePlot(const RunSet& runs, const std::string& name, const std::string& title,
               const std::string& label, size_t most_points = kMostPoints) {
  Plot plot{.title = title, .x = {"step"}, .y = {label}, .series = {}, .legend = false};
  for (const RunRow& row : runs.rows)
    plot.series.push_back(RowSeries(row, name, row.name, most_points));
  return plot;
}

const ComparedRow* Find(const Comparison& comparison, const RunRow& row) {
  for (const ComparedRow& compared : comparison.rows) {
    if (compared.row == &row) return &compared;
  }
  return nullptr;
}

std::optional<ModelCost> CostOf(const RunRow& row) {
  for (const RunRecord& run : row.runs) {
    if (run.summary) return run.summary->cost;
  }
  return std::nullopt;
}

struct CostAxis {
  const char* title;
  PlotAxis axis;
  double (*value)(const ModelCost&);
};

// The mean of each row, with its 95% interval, over what it costs. Nothing where that is the same
// for all.
std::optional<Plot> CostPlot(const RunSet& runs, const Comparison& comparison,
                             const CostAxis& cost) {
  const double scale = comparison.metric.share ? 100 : 1;
  Plot plot{
      .title = absl::StrCat(comparison.metric.name, " against ", cost.title),
      .x = cost.axis,
      .y = {comparison.metric.share ? comparison.metric.name + ", %" : comparison.metric.name},
      .series = {},
      .legend = false};
  std::set<double> different;
  for (const RunRow& row : runs.rows) {
    plot.series.push_back({row.name, {}, {}});
    const ComparedRow* compared = Find(comparison, row);
    const std::optional<ModelCost> costs = CostOf(row);
    if (compared == nullptr || !compared->estimate || !costs) continue;
    different.insert(cost.value(*costs));
    plot.series.back().x = {cost.value(*costs)};
    plot.series.back().y = {scale * compared->estimate->mean};
    if (compared->values.size() > 1)
      plot.series.back().deviation = {scale * compared->estimate->half_width};
  }
  if (different.size() < 2) return std::nullopt;
  return plot;
}

bool IsOfLevel(const std::string& name) {
  return absl::EndsWith(name, kRatio) || absl::EndsWith(name, kUpdates);
}

std::set<std::string> Levels(const RunRow& row) {
  std::set<std::string> levels;
  for (const RunRecord& run : row.runs) {
    for (const auto& [name, curve] : run.curves) {
      if (IsOfLevel(name)) levels.insert(name.substr(0, name.rfind('.')));
    }
  }
  return levels;
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

std::vector<Plot> CurvePlots(const RunSet& runs) {
  return {CurvePlot(runs, "loss", "Training loss", "nats a label"),
          CurvePlot(runs, "val_loss", "Validation loss", "nats a label"),
          CurvePlot(runs, "val_accuracy", "Validation accuracy", "share")};
}

std::vector<Plot> CostPlots(const RunSet& runs, const std::vector<Comparison>& comparisons) {
  static const CostAxis kState = {"state",
                                  {"bytes of state", AxisScale::kLog2, true},
                                  [](const ModelCost& c) { return double(c.state_bytes); }};
  static const CostAxis kParameters = {"parameters",
                                       {"parameters", AxisScale::kLog10, true},
                                       [](const ModelCost& c) { return double(c.parameters); }};
  static const CostAxis kFlops = {"FLOPs",
                                  {"FLOPs a token", AxisScale::kLog10, true},
                                  [](const ModelCost& c) { return c.flops_per_token; }};
  std::vector<Plot> plots;
  const auto add = [&](const Comparison& comparison, const CostAxis& axis) {
    if (std::optional<Plot> plot = CostPlot(runs, comparison, axis)) plots.push_back(*plot);
  };
  for (const Comparison& comparison : comparisons) {
    if (comparison.metric.name == "val_accuracy") add(comparison, kState);
  }
  for (const CostAxis* axis : {&kParameters, &kFlops}) add(comparisons[0], *axis);
  return plots;
}

std::vector<std::string> StatisticNames(const RunSet& runs) {
  std::set<std::string> names;
  for (const RunRow& row : runs.rows) {
    for (const RunRecord& run : row.runs) {
      for (const auto& [name, curve] : run.curves) {
        if (absl::StrContains(name, '.') && !IsOfLevel(name)) names.insert(name);
      }
    }
  }
  return {names.begin(), names.end()};
}

Plot StatisticPlot(const RunSet& runs, const std::string& name) {
  return CurvePlot(runs, name, name, "", kFewPoints);
}

std::vector<std::string> LevelNames(const RunSet& runs) {
  std::set<std::string> names;
  for (const RunRow& row : runs.rows) names.merge(Levels(row));
  return {names.begin(), names.end()};
}

std::vector<Plot> LivenessPlots(const RunSet& runs) {
  const std::vector<std::string> levels = LevelNames(runs);
  std::vector<Plot> plots;
  for (const RunRow& row : runs.rows) {
    if (Levels(row).empty()) continue;
    Plot plot{.title = row.name,
              .x = {"step"},
              .y = {"|update| / |weights|", AxisScale::kLog10},
              .series = {},
              .legend = false};
    for (const std::string& level : levels)
      plot.series.push_back(RowSeries(row, level + kRatio, level));
    plots.push_back(std::move(plot));
  }
  return plots;
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
                  {.key = "alive", .header = "", .number = false}},
      .rows = {},
      .notes = {}};
  for (const RunRow& row : runs.rows) {
    for (const std::string& level : Levels(row)) {
      const double updates = LateMean(CurvesOf(row, level + kUpdates));
      const double ratio = LateMean(CurvesOf(row, level + kRatio));
      const bool dead = updates == 0 || ratio == 0;
      table.rows.push_back({row.name, level, Shown(updates), Shown(ratio),
                            dead ? TableCell("dead", Tone::kBad) : TableCell("alive")});
    }
  }
  return table;
}

}  // namespace palimpsest
