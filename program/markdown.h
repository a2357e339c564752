#ifndef PROGRAM_MARKDOWN_H_
#define PROGRAM_MARKDOWN_H_

#include <string>
#include <vector>

namespace palimpsest {

// Text in a cell of a table.
std::string MarkdownCell(const std::string& text);
std::string MarkdownCode(const std::string& text);
// `name`, as a link to the section of that name.
std::string MarkdownAnchor(const std::string& name);
// With an empty line before it; nothing where there are no rows.
std::string MarkdownTable(const std::vector<std::string>& header,
                          const std::vector<std::vector<std::string>>& rows);

}  // namespace palimpsest

#endif  // PROGRAM_MARKDOWN_H_
