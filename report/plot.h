#ifndef REPORT_PLOT_H_
#define REPORT_PLOT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "report/axis.h"

namespace palimpsest {

// One line of a chart.
struct PlotSeries {
  std::string name;
  std::vector<double> x, y;  // As many of both. The line has gaps where one cannot be drawn.
  // Shaded around y, this far up and down; around a single point a bar. Empty: nothing.
  std::vector<double> deviation = {};
};

struct PlotAxis {
  std::string label;
  AxisScale scale = AxisScale::kLinear;
  bool room = false;     // Beside the first and the last value, for charts of points.
  AxisRange range = {};  // Of y: bands and bars end there, a bar that is cut with an arrow.
};

struct Plot {
  std::string title;
  PlotAxis x, y;
  std::vector<PlotSeries> series;
  bool legend = true;  // Beside it.
};

// The plots as one <svg> element, row by row, `columns` in a row. It needs no other file, runs no
// script, and suits a light page as well as a dark one. A logarithmic axis leaves out what is not
// positive. Single points that would hide one another stand side by side.
std::string PlotSvg(const std::vector<Plot>& plots, int columns = 1);

// The line and symbol that stand for the series of this index, from 0 to `width` at the height `y`,
// for a legend in an <svg class="plot"> of one's own. Each series of a plot is a
// <g data-series="index">.
std::string SeriesMark(size_t series, double width, double y);

}  // namespace palimpsest

#endif  // REPORT_PLOT_H_
