#ifndef TASKS_NEEDLE_TEXT_H_
#define TASKS_NEEDLE_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace palimpsest {

// RULER's sentences (Hsieh et al. 2024), for one magic number or several.
struct NeedleWords {
  explicit NeedleWords(bool several) : several(several) {}
  std::string Opening() const;                         // Before the text, with its newline.
  std::string Needle(const std::string& key) const;    // Up to the value: "One of the ... is: ".
  std::string Question(const std::string& key) const;  // After the text, up to the answer.

  bool several;
};

// "calm-river": an adjective and a noun.
int64_t NumNeedleKeys();
std::string NeedleKey(int64_t index);

// RULER's noise, a sentence each with the space after it.
std::vector<std::string> NoiseSentences();
// `text` cut after ". " and after newlines: side by side the parts are the text.
std::vector<std::string> SplitSentences(const std::string& text);

}  // namespace palimpsest

#endif  // TASKS_NEEDLE_TEXT_H_
