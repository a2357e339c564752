#include "tasks/needle_text.h"

#include <iterator>

#include "absl/strings/str_cat.h"

namespace palimpsest {
namespace {

constexpr const char* kAdjectives[] = {
    "amber",  "bold",  "brave",  "bright", "brisk", "calm",   "clear", "cool",  "crisp",  "dark",
    "deep",   "eager", "early",  "faint",  "fair",  "fancy",  "fine",  "fresh", "gentle", "giant",
    "golden", "grand", "great",  "green",  "happy", "humble", "jolly", "keen",  "kind",   "large",
    "late",   "light", "lively", "loud",   "lucky", "mellow", "mild",  "neat",  "noble",  "odd",
    "pale",   "plain", "proud",  "quick",  "quiet", "rapid",  "rare",  "silent"};
constexpr const char* kNouns[] = {
    "anchor", "apple",  "arrow",  "bell",   "bird",   "boat",    "bridge", "brook",
    "candle", "castle", "cloud",  "comet",  "copper", "corner",  "desert", "drum",
    "eagle",  "engine", "falcon", "fence",  "field",  "flute",   "forest", "garden",
    "hammer", "harbor", "island", "jacket", "kettle", "ladder",  "lake",   "lantern",
    "marble", "meadow", "mirror", "needle", "ocean",  "orchard", "paper",  "pebble",
    "pillow", "planet", "river",  "saddle", "stone",  "tower",   "valley", "window"};

}  // namespace

std::string NeedleWords::Opening() const {
  if (several)
    return "Some special magic numbers are hidden within the following text. Make sure to memorize "
           "it. I will quiz you about the numbers afterwards.\n";
  return "A special magic number is hidden within the following text. Make sure to memorize it. I "
         "will quiz you about the number afterwards.\n";
}

std::string NeedleWords::Needle(const std::string& key) const {
  return absl::StrCat("One of the special magic numbers for ", key, " is: ");
}

std::string NeedleWords::Question(const std::string& key) const {
  if (several)
    return absl::StrCat("\nWhat are all the special magic numbers for ", key,
                        " mentioned in the provided text? The special magic numbers for ", key,
                        " mentioned in the provided text are ");
  return absl::StrCat("\nWhat is the special magic number for ", key,
                      " mentioned in the provided text? The special magic number for ", key,
                      " mentioned in the provided text is ");
}

int64_t NumNeedleKeys() { return std::size(kAdjectives) * std::size(kNouns); }

std::string NeedleKey(int64_t index) {
  return absl::StrCat(kAdjectives[index % std::size(kAdjectives)], "-",
                      kNouns[index / std::size(kAdjectives)]);
}

std::vector<std::string> NoiseSentences() {
  return {"The grass is green. ", "The sky is blue. ", "The sun is yellow. ", "Here we go. ",
          "There and back again. "};
}

std::vector<std::string> SplitSentences(const std::string& text) {
  std::vector<std::string> sentences;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool ends = text[i] == '\n' || (text[i] == ' ' && i > 0 && text[i - 1] == '.');
    if (!ends && i + 1 < text.size()) continue;
    sentences.push_back(text.substr(begin, i + 1 - begin));
    begin = i + 1;
  }
  return sentences;
}

}  // namespace palimpsest
