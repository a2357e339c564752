#include "ablation/report_charts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "ablation/report_levels.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

// More points than a chart has pixels for are averaged, a few at a time.
constexpr size_t kMostPoints = 300, kFewPoints = 60;

// In groups of so many points.
RunCurve Thin(const RunCurve& curve, size_t group) {
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

bool AnyComplete(const RunRow& row) {
  return std::any_of(row.runs.begin(), row.runs.end(),
                     [](const RunRecord& run) { return run.summary.has_value(); });
}

// At the steps that all have. With `hold` a curve stays at its last value, as a run does that is
// done before others are.
PlotSeries MeanSeries(const std::string& name, const std::vector<RunCurve>& curves, bool hold) {
  std::map<double, std::vector<double>> at;
  for (const RunCurve& curve : curves) {
    for (size_t i = 0; i < curve.steps.size(); ++i) at[curve.steps[i]].push_back(curve.values[i]);
  }
  PlotSeries series{name, {}, {}};
  for (auto& [step, values] : at) {
    for (const RunCurve& curve : curves) {
      if (hold && !curve.steps.empty() && curve.steps.back() < step)
        values.push_back(curve.values.back());
    }
    if (values.size() < curves.size()) continue;
    const Estimate e = EstimateOf(values);
    series.x.push_back(step);
    series.y.push_back(e.mean);
    if (curves.size() > 1) series.deviation.push_back(e.deviation);
  }
  return series;
}

// Without such curves a series without points, which keeps the colours of the others.
PlotSeries RowSeries(const RunRow& row, const std::string& curve, size_t most_points) {
  const std::vector<RunCurve> curves = RowCurves(row, curve, most_points);
  return curves.empty() ? PlotSeries{row.name, {}, {}}
                        : MeanSeries(row.name, curves, AnyComplete(row));
}

Plot CurvePlot(const RunSet& runs, const std::string& name, const std::string& title,
               const std::string& label, size_t most_points = kMostPoints) {
  Plot plot{.title = title, .x = {"step"}, .y = {label}, .series = {}, .legend = false};
  for (const RunRow& row : runs.rows) plot.series.push_back(RowSeries(row, name, most_points));
  return plot;
}

void Scale(double by, std::vector<double>* values) {
  for (double& value : *values) value *= by;
}

AxisRange RangeOf(const Metric& metric) { return {0, metric.share ? 100 : INFINITY}; }

Plot MetricPlot(const RunSet& runs, const std::string& curve, const std::string& title,
                const Metric& metric) {
  Plot plot = CurvePlot(runs, curve, title, metric.unit);
  plot.y.range = RangeOf(metric);
  for (PlotSeries& series : plot.series) {
    if (!metric.share) break;
    Scale(100, &series.y);
    Scale(100, &series.deviation);
  }
  return plot;
}

bool AnyAboveZero(const Plot& plot) {
  return std::any_of(plot.series.begin(), plot.series.end(), [](const PlotSeries& s) {
    return std::any_of(s.y.begin(), s.y.end(), [](double y) { return y > 0; });
  });
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
  const Metric& metric = comparison.metric;
  const double scale = metric.share ? 100 : 1;
  Plot plot{.title = absl::StrCat(metric.title, " against ", cost.title),
            .x = cost.axis,
            .y = {absl::StrCat(metric.title, ", ", metric.unit)},
            .series = {},
            .legend = false};
  plot.y.range = RangeOf(metric);
  std::set<double> different;
  for (const RunRow& row : runs.rows) {
    plot.series.push_back({row.name, {}, {}});
    const ComparedRow* compared = Find(comparison, row);
    const std::optional<ModelCost> costs = CostOf(row);
    if (compared == nullptr || !compared->comparable || !compared->estimate || !costs) continue;
    different.insert(cost.value(*costs));
    plot.series.back().x = {cost.value(*costs)};
    plot.series.back().y = {scale * compared->estimate->mean};
    if (compared->values.size() > 1)
      plot.series.back().deviation = {scale * compared->estimate->half_width};
  }
  if (different.size() < 2) return std::nullopt;
  return plot;
}

}  // namespace

std::vector<RunCurve> RowCurves(const RunRow& row, const std::string& name, size_t most_points) {
  const bool any_complete = AnyComplete(row);
  std::vector<RunCurve> curves;
  size_t longest = 0;
  for (const RunRecord& run : row.runs) {
    const auto curve = run.curves.find(name);
    if (curve == run.curves.end() || (any_complete && !run.summary)) continue;
    curves.push_back(curve->second);
    longest = std::max(longest, curve->second.steps.size());
  }
  for (RunCurve& curve : curves) curve = Thin(curve, (longest + most_points - 1) / most_points);
  return curves;
}

std::vector<Plot> CurvePlots(const RunSet& runs) {
  std::vector<Plot> plots = {
      MetricPlot(runs, "loss", "Training loss", *FindMetric("loss")),
      MetricPlot(runs, "val_loss", "Validation loss", *FindMetric("val_loss"))};
  for (const char* name : {"val_accuracy", "val_sequence_accuracy"}) {
    const Metric metric = *FindMetric(name);
    Plot plot = MetricPlot(runs, name, metric.title, metric);
    if (AnyAboveZero(plot)) plots.push_back(std::move(plot));
  }
  return plots;
}

std::vector<Plot> CostPlots(const RunSet& runs, const std::vector<Comparison>& comparisons) {
  static const CostAxis kState = {"state",
                                  {"state of a sequence, kB", AxisScale::kLog10, true},
                                  [](const ModelCost& c) { return double(c.state_bytes) / 1000; }};
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

}  // namespace palimpsest
