#ifndef ABLATION_REPORT_PAGE_H_
#define ABLATION_REPORT_PAGE_H_

#include <cstddef>
#include <string>

namespace palimpsest {

// Up to <main>, with all styles: light and dark, wide and narrow, screen and paper.
std::string PageHead(const std::string& title);
// From </main> on, with the script that sorts tables and hides rows in charts. Without it the page
// is whole.
std::string PageFoot();
// A short line in the colour and dashes that PlotSvg gives its series of this index.
std::string LegendMark(size_t series);

}  // namespace palimpsest

#endif  // ABLATION_REPORT_PAGE_H_
