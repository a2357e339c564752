#ifndef REPORT_HEAT_MAP_H_
#define REPORT_HEAT_MAP_H_

#include <string>
#include <vector>

namespace palimpsest {

// Values of several things over time, as colours.
struct HeatMap {
  struct Row {
    std::string name;
    std::vector<double> values;  // At each x; drawn if positive, so NaN leaves a gap.
    std::vector<bool> dead;      // At each x: marked as such, whatever the value.
  };
  std::string title, x_label;
  std::vector<double> x;  // Rising; each cell goes half the way to the next.
  std::vector<Row> rows;  // From the top.
};

// Which colour stands for which value, by the logarithm.
struct HeatScale {
  std::string label;
  double low = 1, high = 10;  // Powers of ten.
};
// That holds all values of all maps.
HeatScale HeatScaleOf(const std::string& label, const std::vector<HeatMap>& maps);

// One <svg> element, as PlotSvg.
std::string HeatMapSvg(const HeatMap& map, const HeatScale& scale);
// The key to the colours of such maps.
std::string HeatScaleSvg(const HeatScale& scale);

}  // namespace palimpsest

#endif  // REPORT_HEAT_MAP_H_
