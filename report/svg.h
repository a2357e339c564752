#ifndef REPORT_SVG_H_
#define REPORT_SVG_H_

#include <cstddef>
#include <string>

namespace palimpsest {

// Parts of an <svg class="plot">, in pixels. `attributes` stand in the tag as they are.
std::string SvgNumber(double pixels);
std::string SvgText(double x, double y, const char* anchor, const std::string& text,
                    const std::string& attributes = "");
std::string SvgLine(double x1, double y1, double x2, double y2, const std::string& attributes);
// `body` as one <svg> with the styles of .plot, for a light page and a dark one.
std::string SvgPlot(double width, double height, const std::string& body);

// Series are told apart by eight colours, then by the same ones with other dashes and symbols.
std::string SeriesColor(size_t series);  // An attribute.
std::string SeriesLine(size_t series, double left, double right, double y);
std::string SeriesSymbol(size_t series, double x, double y, double radius);
std::string SeriesDashes(size_t series);  // An attribute and a space before it, or nothing.

}  // namespace palimpsest

#endif  // REPORT_SVG_H_
