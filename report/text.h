#ifndef REPORT_TEXT_H_
#define REPORT_TEXT_H_

#include <cstddef>
#include <string>

namespace palimpsest {

// Of UTF-8, in characters, each as wide as another.
size_t TextWidth(const std::string& text);
// At most so wide: of what is wider the middle is left out, for names differ at their ends.
std::string Shortened(const std::string& text, size_t width);

}  // namespace palimpsest

#endif  // REPORT_TEXT_H_
