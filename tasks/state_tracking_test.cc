// Parity, modular arithmetic and groups, with labels worked out anew from what people read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tasks/group.h"
#include "tasks/testing.h"

namespace palimpsest {
namespace {

constexpr int64_t kExamples = 50;

TEST(Parity, IsThatOfTheOnesSoFar) {
  const auto source = TaskSource("parity {}", 16), last = TaskSource("parity { labels: LAST }", 16);
  const auto rows = EvalRows(*source, kExamples), last_rows = EvalRows(*last, kExamples);
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].tokens.size(), 16u);
    EXPECT_EQ(rows[i].tokens, last_rows[i].tokens);
    for (size_t t = 0; t < 16; ++t) {
      const auto& text = rows[i].token_text;
      const auto ones = std::count(text.begin(), text.begin() + t + 1, "1");
      EXPECT_EQ(rows[i].label_text[t], absl::StrCat(ones % 2));
      EXPECT_EQ(last_rows[i].label_text[t], t == 15 ? absl::StrCat(ones % 2) : ".");
    }
  }
}

TEST(Parity, LengthsAreAllBetweenTheEnds) {
  const auto source = TaskSource("parity {} min_length: 3 eval_length: [5, 40]", 8);
  std::set<size_t> lengths;
  for (const Row& row : Rows(*source, source->TrainBatch(0, 200)))
    lengths.insert(row.tokens.size());
  EXPECT_EQ(lengths, (std::set<size_t>{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(source->longest(), 40);
  EXPECT_EQ(source->eval_ends(), (std::vector<int64_t>{1000, 2000}));
  for (const Row& row : Rows(*source, source->EvalBatch(998, 1002)))
    EXPECT_TRUE(row.tokens.size() == 5 || row.tokens.size() == 40);
}

// Sums of products of digits, minus signs in front of a digit, and brackets.
class Calculator {
 public:
  Calculator(const std::string& text, int64_t modulus) : text_(text), modulus_(modulus) {}
  int64_t Value() {
    const int64_t value = Sum();
    EXPECT_EQ(text_.substr(at_), "=") << text_;
    return (value % modulus_ + modulus_) % modulus_;
  }

 private:
  bool Take(char sign) {
    if (text_[at_] != sign) return false;
    ++at_;
    return true;
  }
  int64_t Sum() {
    int64_t value = Product();
    while (true) {
      if (Take('+')) {
        value = (value + Product()) % modulus_;
      } else if (Take('-')) {
        value = (value - Product()) % modulus_;
      } else {
        return value;
      }
    }
  }
  int64_t Product() {
    int64_t value = Factor();
    while (Take('*')) value = value * Factor() % modulus_;
    return value;
  }
  int64_t Factor() {
    if (Take('-')) return -Factor();
    if (!Take('(')) return text_[at_++] - '0';
    const int64_t value = Sum();
    EXPECT_TRUE(Take(')')) << text_;
    return value;
  }

  const std::string text_;
  const int64_t modulus_;
  size_t at_ = 0;
};

TEST(ModularArithmetic, TheLabelIsTheValue) {
  EXPECT_EQ(Calculator("2+4*3-1=", 5).Value(), 3);
  EXPECT_EQ(Calculator("(2+(-(4*1)))=", 5).Value(), 3);
  for (const bool brackets : {false, true}) {
    std::set<char> signs;
    for (const int64_t length : {2, 3, 4, 5, 6, 7, 20, 41}) {
      const auto source = TaskSource(
          absl::StrCat("modular_arithmetic { modulus: 7 brackets: ", brackets, " }"), length);
      for (const Row& row : EvalRows(*source, kExamples)) {
        const std::string text = absl::StrJoin(row.token_text, "");
        ASSERT_EQ(static_cast<int64_t>(text.size()), brackets ? length : length / 2 * 2) << text;
        EXPECT_EQ(row.label_text.back(), absl::StrCat(Calculator(text, 7).Value())) << text;
        EXPECT_EQ(std::count(row.label_text.begin(), row.label_text.end(), "."),
                  static_cast<int64_t>(text.size()) - 1);
        signs.insert(text.begin(), text.end());
      }
    }
    const std::string all = brackets ? "()*+-0123456=" : "*+-0123456=";
    EXPECT_EQ(signs, std::set<char>(all.begin(), all.end()));
  }
  const auto sums = TaskSource("modular_arithmetic { products: false }", 40);
  for (const Row& row : EvalRows(*sums, kExamples))
    EXPECT_EQ(std::count(row.token_text.begin(), row.token_text.end(), "*"), 0);
}

int64_t SizeOf(const std::string& name) { return (*Group::Make(name)).size(); }

TEST(Group, HasAsManyElementsAsItShould) {
  const std::map<std::string, int64_t> sizes = {
      {"S1", 1},       {"S2", 2},      {"S3", 6}, {"S5", 120}, {"A3", 3},
      {"A4", 12},      {"A5", 60},     {"Z2", 2}, {"Z60", 60}, {"D4", 8},
      {"A4_x_Z5", 60}, {"Z2_x_Z2", 4}, {"Z1", 1}, {"A2", 1},   {"D3_x_Z2", 12}};
  for (const auto& [name, size] : sizes) EXPECT_EQ(SizeOf(name), size) << name;
}

// Associative, with identity 0 and an inverse of each, which is what it takes.
TEST(Group, KeepsTheLaws) {
  for (const char* name : {"S3", "A4", "Z6", "D4", "Z2_x_S3"}) {
    const Group group = *Group::Make(name);
    const int64_t n = group.size();
    for (int64_t a = 0; a < n; ++a) {
      EXPECT_EQ(group.Product(a, 0), a);
      EXPECT_EQ(group.Product(0, a), a);
      std::set<int64_t> row;
      for (int64_t b = 0; b < n; ++b) {
        row.insert(group.Product(a, b));
        for (int64_t c = 0; c < n; ++c)
          EXPECT_EQ(group.Product(group.Product(a, b), c), group.Product(a, group.Product(b, c)));
      }
      EXPECT_EQ(static_cast<int64_t>(row.size()), n);
    }
  }
  const Group s3 = *Group::Make("S3"), z6 = *Group::Make("Z6");
  bool commutes = true;
  for (int64_t a = 0; a < 6; ++a)
    for (int64_t b = 0; b < 6; ++b) {
      commutes = commutes && s3.Product(a, b) == s3.Product(b, a);
      EXPECT_EQ(z6.Product(a, b), z6.Product(b, a));
    }
  EXPECT_FALSE(commutes);
}

// The letters 0 1 2 ... moved by the elements, the last one first.
TEST(GroupWord, LabelsAreTheProducts) {
  for (const char* group : {"S3", "A5", "S5", "Z2_x_S3"}) {
    const auto source = TaskSource(absl::StrCat("group_word { group: '", group, "' }"), 12);
    for (const Row& row : EvalRows(*source, kExamples)) {
      EXPECT_EQ(row.token_text[0], "START");
      EXPECT_EQ(row.label_text[0], ".");
      for (size_t t = 1; t < 12; ++t) {
        std::string letters = row.token_text[t];
        std::string expected(letters.size(), '?');
        for (size_t i = 0; i < letters.size(); ++i) {
          char at = static_cast<char>('0' + i);
          for (size_t s = t; s >= 1; --s) at = row.token_text[s][at - '0'];
          expected[i] = at;
        }
        EXPECT_EQ(row.label_text[t], expected);
      }
    }
  }
}

}  // namespace
}  // namespace palimpsest
