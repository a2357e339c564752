#include "program/markdown.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace palimpsest {
namespace {

std::string Row(const std::vector<std::string>& cells) {
  return absl::StrCat("| ", absl::StrJoin(cells, " | "), " |\n");
}

}  // namespace

std::string MarkdownCell(const std::string& text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"<", "&lt;"}});
}

std::string MarkdownCode(const std::string& text) { return absl::StrCat("`", text, "`"); }

std::string MarkdownAnchor(const std::string& name) {
  return absl::StrCat("[`", name, "`](#", name, ")");
}

std::string MarkdownTable(const std::vector<std::string>& header,
                          const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return "";
  std::string table = Row(header) + Row(std::vector<std::string>(header.size(), "---"));
  for (const std::vector<std::string>& row : rows) table += Row(row);
  return "\n" + table;
}

}  // namespace palimpsest
