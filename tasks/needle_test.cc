#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ops/loss.h"
#include "tasks/needle_text.h"
#include "tasks/testing.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Read {
  std::string text, answer;         // What the model reads, and what the labels say.
  std::vector<std::string> values;  // Of the key that is asked for, as the text has them.
  size_t needles = 0;
  std::set<std::string> keys;
};

Read ReadRow(const Row& row) {
  Read read;
  for (size_t t = 0; t < row.tokens.size(); ++t) {
    read.text += static_cast<char>(row.tokens[t]);
    if (row.labels[t] != kIgnoreLabel) {
      read.answer += static_cast<char>(row.labels[t]);
      if (t + 1 < row.tokens.size()) {
        EXPECT_EQ(row.tokens[t + 1], row.labels[t]);
      }
    }
  }
  const std::string needle = "One of the special magic numbers for ", is = " is: ";
  const size_t question = read.text.rfind('\n');
  const size_t asked = read.text.find(" for ", question) + 5;
  const std::string key = read.text.substr(asked, read.text.find(' ', asked) - asked);
  for (size_t at = 0; (at = read.text.find(needle, at)) < question;) {
    at += needle.size();
    const size_t end = read.text.find(is, at);
    const std::string found = read.text.substr(at, end - at);
    const size_t digits = end + is.size();
    ++read.needles;
    read.keys.insert(found);
    if (found == key)
      read.values.push_back(read.text.substr(digits, read.text.find('.', digits) - digits));
  }
  return read;
}

struct NeedleRow {
  std::string config;
  size_t keys, values, digits;
};

TEST(Needle, TheAnswerIsInTheText) {
  for (const NeedleRow& row : {NeedleRow{"", 1, 1, 7}, NeedleRow{"keys: 4", 4, 1, 7},
                               NeedleRow{"values: 4 digits: 3", 1, 4, 3},
                               NeedleRow{"keys: 2 values: 2 instructions: false", 2, 2, 7}}) {
    for (const int64_t length : {800, 1501}) {
      const auto source = TaskSource(absl::StrCat("needle { ", row.config, " }"), length);
      std::set<size_t> depths;
      for (const Row& example : EvalRows(*source, 20)) {
        ASSERT_EQ(static_cast<int64_t>(example.tokens.size()), length);
        const Read read = ReadRow(example);
        SCOPED_TRACE(read.text);
        EXPECT_EQ(read.keys.size(), row.keys);
        EXPECT_EQ(read.needles, row.keys * row.values);
        ASSERT_EQ(read.values.size(), row.values);
        for (const std::string& value : read.values) EXPECT_EQ(value.size(), row.digits);
        EXPECT_EQ(read.answer, absl::StrJoin(read.values, ""));
        depths.insert(read.text.find("One of the special"));
      }
      EXPECT_GT(depths.size(), 5u);
    }
  }
}

TEST(Needle, SpeaksInRulersWords) {
  const auto source = TaskSource("needle {}", 1000);
  const std::string text = ReadRow(EvalRows(*source, 1)[0]).text;
  EXPECT_THAT(text, StartsWith("A special magic number is hidden within the following text. Make "
                               "sure to memorize it. I will quiz you about the number "
                               "afterwards.\n"));
  EXPECT_THAT(text, HasSubstr("The grass is green. The sky is blue. The sun is yellow. Here we go. "
                              "There and back again. "));
  EXPECT_THAT(text, HasSubstr("\nWhat is the special magic number for "));
  EXPECT_THAT(text, HasSubstr(" mentioned in the provided text is "));
}

TEST(Needle, AFileIsTheHaystack) {
  const std::string path = testing::TempDir() + "/needle_hay";
  std::ofstream(path) << "Call me Ishmael. Some years ago\nit was. ";
  const auto source =
      TaskSource(absl::StrCat("needle { haystack: '", path, "' instructions: false }"), 400);
  std::string text = ReadRow(EvalRows(*source, 1)[0]).text;
  const size_t begin = text.find("One of");
  text.erase(begin, text.find(". ", begin) + 2 - begin);
  text.erase(text.rfind("\nOne of"));
  const std::string hay = "Call me Ishmael. Some years ago\nit was. ";
  EXPECT_NE((hay + hay + hay + hay + hay + hay + hay + hay + hay + hay).find(text),
            std::string::npos)
      << text;
  EXPECT_NE(source->Fingerprint(), "");
}

TEST(Needle, SentencesSideBySideAreTheText) {
  for (const std::string text : {"One. Two.\nThree", "no end", "\n\n. .", "3.14 is. "}) {
    const std::vector<std::string> sentences = SplitSentences(text);
    EXPECT_EQ(absl::StrJoin(sentences, ""), text);
  }
  EXPECT_EQ(SplitSentences("One. Two.\nThree"),
            (std::vector<std::string>{"One. ", "Two.\n", "Three"}));
}

TEST(Needle, KeysAreDistinct) {
  std::set<std::string> keys;
  for (int64_t i = 0; i < NumNeedleKeys(); ++i) keys.insert(NeedleKey(i));
  EXPECT_EQ(static_cast<int64_t>(keys.size()), NumNeedleKeys());
}

}  // namespace
}  // namespace palimpsest
