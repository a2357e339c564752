#ifndef REPORT_TABLE_H_
#define REPORT_TABLE_H_

#include <cmath>
#include <string>
#include <vector>

namespace palimpsest {

enum class Tone { kPlain, kGood, kBad, kQuiet };

struct TableCell {
  TableCell(std::string text = "", Tone tone = Tone::kPlain)  // NOLINT: a text is a cell.
      : text(std::move(text)), tone(tone) {}
  // `value` in full is what a machine reads and a click sorts by; NaN where there is none.
  TableCell(std::string text, double value, Tone tone = Tone::kPlain)
      : text(std::move(text)), value(value), tone(tone) {}

  std::string text;
  double value = NAN;
  Tone tone = Tone::kPlain;
};

struct TableColumn {
  std::string key;        // In CSV.
  std::string header;     // For people.
  std::string hint = {};  // A sentence about it.
  bool number = true;     // Stands to the right.
  int spare = 0;          // Where room is short, the columns with the largest go first; 0: never.
};

// One table, however it is shown. Each row has a cell for each column.
struct Table {
  std::string title;
  std::vector<TableColumn> columns;
  std::vector<std::vector<TableCell>> rows;
  std::vector<std::string> notes;  // Below it.
};

// For a terminal of `width` columns: long texts are cut short; columns that still do not fit are
// left out, and named below.
std::string TableText(const Table& table, int width);
std::string TableMarkdown(const Table& table);
// RFC 4180: a line of keys, then the rows of all tables, which have the same columns; the first
// column, called `titles`, says of which table a row is. Numbers are whole.
std::string TablesCsv(const std::string& titles, const std::vector<Table>& tables);
// A <table class="data">, with its title as caption and its notes below.
std::string TableHtml(const Table& table);

// The columns of both; the rows are of the same things.
Table Beside(const Table& a, const Table& b);

}  // namespace palimpsest

#endif  // REPORT_TABLE_H_
