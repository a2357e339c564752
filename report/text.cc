#include "report/text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

bool StartsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// Where the character of this number begins.
size_t PlaceOf(const std::string& text, size_t character) {
  size_t at = 0;
  for (size_t seen = 0; at < text.size(); ++at) {
    if (StartsCharacter(text[at]) && seen++ == character) break;
  }
  return at;
}

}  // namespace

size_t TextWidth(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), StartsCharacter));
}

std::string Shortened(const std::string& text, size_t width) {
  const size_t whole = TextWidth(text);
  if (whole <= width) return text;
  if (width == 0) return "";
  const size_t back = (width - 1) / 3, front = width - 1 - back;
  return absl::StrCat(text.substr(0, PlaceOf(text, front)), "…",
                      text.substr(PlaceOf(text, whole - back)));
}

}  // namespace palimpsest
