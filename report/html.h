#ifndef REPORT_HTML_H_
#define REPORT_HTML_H_

#include <string>

namespace palimpsest {

// `text` as it stands between tags or in a quoted attribute, of HTML or XML. Control characters,
// which XML 1.0 does not have, become spaces.
std::string EscapeHtml(const std::string& text);

}  // namespace palimpsest

#endif  // REPORT_HTML_H_
