#ifndef ABLATION_REPORT_CHARTS_H_
#define ABLATION_REPORT_CHARTS_H_

#include <string>
#include <vector>

#include "ablation/comparison.h"
#include "report/plot.h"
#include "report/table.h"

namespace palimpsest {

// A line for each row, in the order of `runs`, so that a row has one colour everywhere. Means over
// complete runs, or over what there is where none is complete, at the steps they have in common;
// bands of their deviation. No series of a row that has nothing.

// Losses and validation metrics by step.
std::vector<Plot> CurvePlots(const RunSet& runs);
// A metric against what it costs: accuracy against state, the first metric against parameters and
// FLOPs. Without those in which all rows cost the same.
std::vector<Plot> CostPlots(const RunSet& runs, const std::vector<Comparison>& comparisons);
// What else the models' parts said of themselves, by the names they are logged by.
std::vector<std::string> StatisticNames(const RunSet& runs);
Plot StatisticPlot(const RunSet& runs, const std::string& name);

// The levels of all rows' models.
std::vector<std::string> LevelNames(const RunSet& runs);
// How much each is updated ("*.update_ratio"): a plot a row that has levels, with a line for each
// of LevelNames.
std::vector<Plot> LivenessPlots(const RunSet& runs);
// Of each level: how often and how much, and whether it is dead. Without rows where no model has
// levels.
Table LivenessTable(const RunSet& runs);

}  // namespace palimpsest

#endif  // ABLATION_REPORT_CHARTS_H_
