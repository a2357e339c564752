#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

constexpr char kEnd = '$';

struct Language {
  std::string name, symbols;
  int64_t multiple;  // Of which the lengths of words are,
  int64_t least;     // from this one on.
  std::string (*draw)(int64_t length, Draws& draws);
  std::string (*next)(const std::string& prefix);  // What may follow, with kEnd.
};

int64_t Count(const std::string& text, char symbol) {
  return std::count(text.begin(), text.end(), symbol);
}

std::string Repeat(const std::string& part, int64_t length) {
  std::string text;
  while (static_cast<int64_t>(text.size()) < length) text += part;
  return text;
}

// As many of each symbol, one kind after the other.
std::string DrawBlocks(const std::string& symbols, int64_t length) {
  std::string text;
  for (const char symbol : symbols)
    text += std::string(length / static_cast<int64_t>(symbols.size()), symbol);
  return text;
}

std::string NextInBlocks(const std::string& symbols, const std::string& prefix) {
  const int64_t n = Count(prefix, symbols[0]);
  if (n == 0) return {symbols[0]};
  // Once the second kind has begun there are no more of the first.
  if (Count(prefix, symbols[1]) == 0) return {symbols[0], symbols[1]};
  for (const char symbol : symbols)
    if (Count(prefix, symbol) < n) return {symbol};
  return {kEnd};
}

std::string NextRepeated(const std::string& part, const std::string& prefix) {
  const size_t at = prefix.size() % part.size();
  return at == 0 ? std::string{part[0], kEnd} : std::string{part[at]};
}

struct Depths {
  int64_t round, square;
};

Depths DepthsOf(const std::string& prefix) {
  return {Count(prefix, '(') - Count(prefix, ')'), Count(prefix, '[') - Count(prefix, ']')};
}

// Opens and closes, of either kind, as likely where both are possible.
std::string DrawShuffle(int64_t length, Draws& draws) {
  std::string text;
  int64_t round = 0, square = 0;
  while (static_cast<int64_t>(text.size()) < length) {
    const int64_t open = round + square, left = length - static_cast<int64_t>(text.size());
    const bool opens = open == 0 || (open < left && draws.Below(2) == 0);
    const bool is_round = opens || (round > 0 && square > 0) ? draws.Below(2) == 0 : round > 0;
    (is_round ? round : square) += opens ? 1 : -1;
    text += opens ? (is_round ? '(' : '[') : (is_round ? ')' : ']');
  }
  return text;
}

std::string NextInShuffle(const std::string& prefix) {
  const Depths depths = DepthsOf(prefix);
  std::string next = "([";
  if (depths.round > 0) next += ')';
  if (depths.square > 0) next += ']';
  if (depths.round == 0 && depths.square == 0) next += kEnd;
  return next;
}

Language LanguageOf(FormalLanguageData::Language language) {
  switch (language) {
    case FormalLanguageData::AA_STAR:
      return {"(aa)*",
              "a",
              2,
              0,
              [](int64_t n, Draws&) { return Repeat("aa", n); },
              [](const std::string& p) { return NextRepeated("aa", p); }};
    case FormalLanguageData::ABAB_STAR:
      return {"(abab)*",
              "ab",
              4,
              0,
              [](int64_t n, Draws&) { return Repeat("abab", n); },
              [](const std::string& p) { return NextRepeated("abab", p); }};
    case FormalLanguageData::AN_BN:
      return {"a^n b^n",
              "ab",
              2,
              2,
              [](int64_t n, Draws&) { return DrawBlocks("ab", n); },
              [](const std::string& p) { return NextInBlocks("ab", p); }};
    case FormalLanguageData::AN_BN_CN:
      return {"a^n b^n c^n",
              "abc",
              3,
              3,
              [](int64_t n, Draws&) { return DrawBlocks("abc", n); },
              [](const std::string& p) { return NextInBlocks("abc", p); }};
    case FormalLanguageData::SHUFFLE_2: break;
  }
  return {"shuffle-2", "()[]", 2, 0, DrawShuffle, NextInShuffle};
}

// Tokens: START, the symbols, then a label for each set of symbols and the end.
class FormalLanguage : public Task {
 public:
  explicit FormalLanguage(Language language)
      : language_(std::move(language)), all_(language_.symbols + kEnd) {}

  int64_t vocab() const override { return FirstSet() + (int64_t{1} << all_.size()); }
  absl::Status CheckLength(int64_t length) const override {
    return CheckLengthAtLeast(length, 1 + std::max(language_.least, language_.multiple));
  }
  std::string Describe() const override {
    return absl::StrCat("what may follow in words of ", language_.name);
  }
  std::string Text(int32_t token) const override {
    if (token == 0) return "START";
    if (token < FirstSet()) return {language_.symbols[token - 1]};
    std::string set;
    for (size_t i = 0; i < all_.size(); ++i)
      if ((token - FirstSet()) >> i & 1) set += all_[i];
    return set;
  }

  Example Make(int64_t length, Split, Draws& draws) const override {
    const int64_t size = (length - 1) / language_.multiple * language_.multiple;
    const std::string word = language_.draw(size, draws);
    Example example;
    example.Add(0, SetOf(language_.next("")));
    for (size_t t = 0; t < word.size(); ++t)
      example.Add(1 + static_cast<int64_t>(language_.symbols.find(word[t])),
                  SetOf(language_.next(word.substr(0, t + 1))));
    return example;
  }

 private:
  int64_t FirstSet() const { return 1 + static_cast<int64_t>(language_.symbols.size()); }
  int64_t SetOf(const std::string& next) const {
    int64_t set = 0;
    for (const char symbol : next) set |= int64_t{1} << all_.find(symbol);
    return FirstSet() + set;
  }

  const Language language_;
  const std::string all_;
};

}  // namespace

TaskOrError MakeFormalLanguage(const DataConfig& data) {
  if (data.min_length() == 0)
    return absl::InvalidArgumentError(
        "words of one length are much alike: give data.min_length, the least to train on");
  return std::make_shared<FormalLanguage>(LanguageOf(data.formal_language().language()));
}

}  // namespace palimpsest
