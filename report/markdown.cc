#include "report/markdown.h"

#include <string_view>

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

std::string MarkdownText(const std::string& text) {
  std::string marked;
  for (const char c : text) {
    if (std::string_view("\\`*[]|~").find(c) != std::string_view::npos) marked += '\\';
    // A tag, a line's end, and what a name starts with: "_a_" is emphasis, "a_b" is not.
    if (c == '<')
      marked += "&lt;";
    else if (c == '&')
      marked += "&amp;";
    else
      marked += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return marked;
}

std::string MarkdownCode(const std::string& text) { return absl::StrCat("`", text, "`"); }

std::string MarkdownAnchor(const std::string& name) {
  return absl::StrCat("[`", name, "`](#", name, ")");
}

std::string MarkdownTable(const std::vector<std::string>& header,
                          const std::vector<std::vector<std::string>>& rows,
                          const std::vector<bool>& right) {
  if (rows.empty()) return "";
  std::vector<std::string> rule;
  for (size_t i = 0; i < header.size(); ++i)
    rule.emplace_back(i < right.size() && right[i] ? "---:" : "---");
  std::string table = Row(header) + Row(rule);
  for (const std::vector<std::string>& row : rows) table += Row(row);
  return "\n" + table;
}

}  // namespace palimpsest
