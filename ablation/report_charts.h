#ifndef ABLATION_REPORT_CHARTS_H_
#define ABLATION_REPORT_CHARTS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "ablation/comparison.h"
#include "report/plot.h"

namespace palimpsest {

// A line for each row, in the order of `runs`, so that a row has one colour everywhere. Means over
// complete runs, which stay at their last value when they are done; or over what there is where
// none is complete, at the steps they have in common. Bands of their deviation.

// Losses and validation metrics by step; without accuracies that are never above zero.
std::vector<Plot> CurvePlots(const RunSet& runs);
// A metric against what it costs: accuracy against state, the first metric against parameters and
// FLOPs, of rows that are comparable. Without those in which all rows cost the same.
std::vector<Plot> CostPlots(const RunSet& runs, const std::vector<Comparison>& comparisons);
// What else the models' parts said of themselves, by the names they are logged by.
std::vector<std::string> StatisticNames(const RunSet& runs);
Plot StatisticPlot(const RunSet& runs, const std::string& name);

// The curves of this name of the row's complete runs, or of all where none is complete. Those of
// more points are thinned, all alike, so that their steps stay together.
std::vector<RunCurve> RowCurves(const RunRow& row, const std::string& name, size_t most_points);

}  // namespace palimpsest

#endif  // ABLATION_REPORT_CHARTS_H_
