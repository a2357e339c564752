#include "report/table.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "core/check.h"
#include "report/html.h"
#include "report/markdown.h"

namespace palimpsest {
namespace {

void CheckTable(const Table& table) {
  for (const auto& row : table.rows)
    PALIMPSEST_CHECK(row.size() == table.columns.size())
        << "a row of " << row.size() << " cells in the table \"" << table.title << "\" of "
        << table.columns.size() << " columns";
}

// The shortest text that is read as the same number.
std::string Whole(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, std::end(text), value).ptr);
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

const char* ToneClass(Tone tone) {
  switch (tone) {
    case Tone::kPlain: return "";
    case Tone::kGood: return "good";
    case Tone::kBad: return "bad";
    case Tone::kQuiet: return "quiet";
  }
  return "";
}

std::string CellHtml(const TableColumn& column, const TableCell& cell, const char* tag) {
  std::vector<std::string> classes;
  if (column.number) classes.emplace_back("number");
  if (cell.tone != Tone::kPlain) classes.emplace_back(ToneClass(cell.tone));
  std::string html = absl::StrCat("<", tag);
  if (!classes.empty()) absl::StrAppend(&html, " class=\"", absl::StrJoin(classes, " "), "\"");
  if (!std::isnan(cell.value)) absl::StrAppend(&html, " data-value=\"", Whole(cell.value), "\"");
  return absl::StrCat(html, ">", EscapeHtml(cell.text), "</", tag, ">");
}

}  // namespace

std::string TableMarkdown(const Table& table) {
  CheckTable(table);
  std::vector<std::string> header;
  std::vector<bool> right;
  for (const TableColumn& column : table.columns) {
    header.push_back(MarkdownCell(column.header));
    right.push_back(column.number);
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : table.rows) {
    rows.emplace_back();
    for (const TableCell& cell : row) rows.back().push_back(MarkdownText(cell.text));
  }
  std::string text =
      absl::StrCat("## ", MarkdownText(table.title), "\n", MarkdownTable(header, rows, right));
  for (const std::string& note : table.notes)
    absl::StrAppend(&text, "\n", MarkdownText(note), "\n");
  return text;
}

std::string TablesCsv(const std::string& titles, const std::vector<Table>& tables) {
  std::string csv;
  for (const Table& table : tables) {
    CheckTable(table);
    std::string keys = CsvField(titles);
    for (const TableColumn& column : table.columns)
      absl::StrAppend(&keys, ",", CsvField(column.key));
    if (csv.empty()) csv = keys + "\r\n";
    PALIMPSEST_CHECK(csv.starts_with(keys + "\r\n")) << "tables of different columns: " << keys;
    for (const auto& row : table.rows) {
      csv += CsvField(table.title);
      for (const TableCell& cell : row)
        absl::StrAppend(&csv, ",",
                        CsvField(std::isnan(cell.value) ? cell.text : Whole(cell.value)));
      csv += "\r\n";
    }
  }
  return csv;
}

std::string TableHtml(const Table& table) {
  CheckTable(table);
  std::string html = absl::StrCat("<div class=\"table\"><table class=\"data\">\n<caption>",
                                  EscapeHtml(table.title), "</caption>\n<thead><tr>");
  for (const TableColumn& column : table.columns) {
    absl::StrAppend(&html, "<th scope=\"col\"", column.number ? " class=\"number\"" : "");
    if (!column.hint.empty()) absl::StrAppend(&html, " title=\"", EscapeHtml(column.hint), "\"");
    absl::StrAppend(&html, ">", EscapeHtml(column.header), "</th>");
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) html += CellHtml(table.columns[i], row[i], "td");
    html += "</tr>\n";
  }
  html += "</tbody></table></div>\n";
  for (const std::string& note : table.notes)
    absl::StrAppend(&html, "<p class=\"note\">", EscapeHtml(note), "</p>\n");
  return html;
}

Table Beside(const Table& a, const Table& b) {
  PALIMPSEST_CHECK(a.rows.size() == b.rows.size())
      << a.rows.size() << " rows beside " << b.rows.size();
  Table both = a;
  both.columns.insert(both.columns.end(), b.columns.begin(), b.columns.end());
  for (size_t i = 0; i < both.rows.size(); ++i)
    both.rows[i].insert(both.rows[i].end(), b.rows[i].begin(), b.rows[i].end());
  both.notes.insert(both.notes.end(), b.notes.begin(), b.notes.end());
  return both;
}

}  // namespace palimpsest
