// Labels against all words of a language, found by trying all strings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tasks/testing.h"

namespace palimpsest {
namespace {

bool Balanced(std::string text, const std::string& brackets, const std::string& others) {
  for (const char c : others) text.erase(std::remove(text.begin(), text.end(), c), text.end());
  for (size_t at; (at = text.find(brackets)) != std::string::npos;) text.erase(at, 2);
  return text.empty();
}

struct LanguageRow {
  std::string name, symbols;
  int longest;  // Of the strings to try.
  std::function<bool(const std::string&)> has;
};

std::vector<LanguageRow> Languages() {
  const auto blocks = [](const std::string& symbols) {
    return [=](const std::string& w) {
      const size_t n = w.size() / symbols.size();
      std::string expected;
      for (const char c : symbols) expected += std::string(n, c);
      return n > 0 && w == expected;
    };
  };
  const auto starred = [](const std::string& part) {
    return [=](std::string w) {
      while (w.rfind(part, 0) == 0) w = w.substr(part.size());
      return w.empty();
    };
  };
  return {{"AA_STAR", "a", 12, starred("aa")},
          {"ABAB_STAR", "ab", 12, starred("abab")},
          {"AN_BN", "ab", 14, blocks("ab")},
          {"AN_BN_CN", "abc", 12, blocks("abc")},
          {"SHUFFLE_2", "()[]", 9, [](const std::string& w) {
             return Balanced(w, "()", "[]") && Balanced(w, "[]", "()");
           }}};
}

// By prefix of a word of at most row.longest symbols.
std::map<std::string, std::set<char>> NextByTrying(const LanguageRow& row) {
  std::map<std::string, std::set<char>> next;
  std::vector<std::string> strings = {""};
  for (int length = 0; length <= row.longest; ++length) {
    std::vector<std::string> longer;
    for (const std::string& word : strings) {
      if (row.has(word)) {
        for (size_t i = 0; i < word.size(); ++i) next[word.substr(0, i)].insert(word[i]);
        next[word].insert('$');
      }
      for (const char c : row.symbols) longer.push_back(word + c);
    }
    strings = std::move(longer);
  }
  return next;
}

TEST(FormalLanguage, LabelsAreWhatMayFollow) {
  for (const LanguageRow& row : Languages()) {
    SCOPED_TRACE(row.name);
    const auto next = NextByTrying(row);
    const auto source =
        TaskSource(absl::StrCat("formal_language { language: ", row.name, " } min_length: 5"), 9);
    for (const Row& example : Rows(*source, source->TrainBatch(0, 200))) {
      ASSERT_EQ(example.token_text[0], "START");
      std::string prefix;
      for (size_t t = 0; t < example.tokens.size(); ++t) {
        if (t > 0) prefix += example.token_text[t];
        // Of longer prefixes the words that follow are too long to have been tried.
        if (2 * static_cast<int>(prefix.size()) + 2 > row.longest) continue;
        const std::string& label = example.label_text[t];
        EXPECT_EQ(std::set<char>(label.begin(), label.end()), next.at(prefix)) << prefix;
      }
      prefix = absl::StrJoin(example.token_text.begin() + 1, example.token_text.end(), "");
      EXPECT_TRUE(row.has(prefix)) << prefix;
      EXPECT_NE(example.label_text.back().find('$'), std::string::npos) << prefix;
    }
  }
}

TEST(FormalLanguage, WordsAreAsLongAsTheyCanBe) {
  const std::map<std::string, size_t> expected = {
      {"AA_STAR", 51}, {"ABAB_STAR", 49}, {"AN_BN", 51}, {"AN_BN_CN", 49}, {"SHUFFLE_2", 51}};
  for (const auto& [name, size] : expected) {
    const auto source = TaskSource(
        absl::StrCat("formal_language { language: ", name, " } min_length: 5 eval_length: 51"), 9);
    for (const Row& row : EvalRows(*source, 5)) EXPECT_EQ(row.tokens.size(), size) << name;
  }
}

TEST(FormalLanguage, BlocksOfThree) {
  const auto source =
      TaskSource("formal_language { language: AN_BN_CN } min_length: 5 eval_length: 7", 9);
  const Row row = EvalRows(*source, 1)[0];
  EXPECT_EQ(absl::StrJoin(row.token_text, " "), "START a a b b c c");
  EXPECT_EQ(absl::StrJoin(row.label_text, " "), "a ab ab b c c $");
}

}  // namespace
}  // namespace palimpsest
