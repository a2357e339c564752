#ifndef REPORT_MARKDOWN_H_
#define REPORT_MARKDOWN_H_

#include <string>
#include <vector>

namespace palimpsest {

// Text in a cell of a table.
std::string MarkdownCell(const std::string& text);
// Text that is to show as it is, in a cell or elsewhere: nothing in it is a mark.
std::string MarkdownText(const std::string& text);
std::string MarkdownCode(const std::string& text);
// `name`, as a link to the section of that name.
std::string MarkdownAnchor(const std::string& name);
// With an empty line before it; nothing where there are no rows. `right`: the columns that are set
// to the right; none if it is empty.
std::string MarkdownTable(const std::vector<std::string>& header,
                          const std::vector<std::vector<std::string>>& rows,
                          const std::vector<bool>& right = {});

}  // namespace palimpsest

#endif  // REPORT_MARKDOWN_H_
