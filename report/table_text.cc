#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/table.h"
#include "report/text.h"

namespace palimpsest {
namespace {

constexpr size_t kGap = 2;
// How short a text is cut for the sake of columns, and where these are gone.
constexpr size_t kShortName = 32, kLeastName = 8;

// Names come from files, and may hold anything.
std::string ForTerminal(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  }
  return text;
}

std::string Pad(const std::string& text, size_t width, bool right) {
  const std::string space(width - std::min(width, TextWidth(text)), ' ');
  return right ? space + text : text + space;
}

class TextTable {
 public:
  TextTable(const Table& table, int width)
      : table_(table), room_(static_cast<size_t>(std::max(width, 1))) {
    for (size_t c = 0; c < table.columns.size(); ++c) {
      kept_.push_back(c);
      size_t widest = TextWidth(ForTerminal(table.columns[c].header));
      for (const auto& row : table.rows)
        widest = std::max(widest, TextWidth(ForTerminal(row[c].text)));
      widths_.push_back(widest);
    }
  }

  std::string Draw() {
    Fit();
    std::string text = ForTerminal(table_.title) + "\n";
    text += Line([&](size_t c) { return table_.columns[c].header; });
    for (const auto& row : table_.rows) text += Line([&](size_t c) { return row[c].text; });
    for (const std::string& note : table_.notes) absl::StrAppend(&text, ForTerminal(note), "\n");
    std::vector<std::string> left_out;
    for (size_t c = 0; c < table_.columns.size(); ++c) {
      if (std::find(kept_.begin(), kept_.end(), c) == kept_.end())
        left_out.push_back(ForTerminal(table_.columns[c].header));
    }
    if (!left_out.empty())
      absl::StrAppend(&text, "(no room for ", absl::StrJoin(left_out, ", "), ")\n");
    return text;
  }

 private:
  size_t Total() const {
    size_t total = 0;
    for (const size_t c : kept_) total += widths_[c] + kGap;
    return total - std::min(total, kGap);
  }

  // Long texts are cut first, then columns go, then texts are cut again.
  void Fit() {
    CutTexts(kShortName);
    while (Total() > room_) {
      auto last = kept_.end();
      for (auto c = kept_.begin(); c != kept_.end(); ++c) {
        if (table_.columns[*c].spare > 0 &&
            (last == kept_.end() || table_.columns[*c].spare >= table_.columns[*last].spare))
          last = c;
      }
      if (last == kept_.end()) break;
      kept_.erase(last);
    }
    CutTexts(kLeastName);
  }

  void CutTexts(size_t least) {
    while (Total() > room_) {
      auto widest = kept_.end();
      for (auto c = kept_.begin(); c != kept_.end(); ++c) {
        if (!table_.columns[*c].number && widths_[*c] > least &&
            (widest == kept_.end() || widths_[*c] > widths_[*widest]))
          widest = c;
      }
      if (widest == kept_.end()) return;
      --widths_[*widest];
    }
  }

  template <typename Fn>
  std::string Line(Fn text_of) const {
    std::string line;
    for (const size_t c : kept_) {
      const std::string text = Shortened(ForTerminal(text_of(c)), widths_[c]);
      absl::StrAppend(&line, line.empty() ? "" : std::string(kGap, ' '),
                      Pad(text, widths_[c], table_.columns[c].number));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
  }

  const Table& table_;
  const size_t room_;
  std::vector<size_t> kept_, widths_;
};

}  // namespace

std::string TableText(const Table& table, int width) { return TextTable(table, width).Draw(); }

}  // namespace palimpsest
