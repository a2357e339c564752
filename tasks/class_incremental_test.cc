#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tasks/testing.h"

namespace palimpsest {
namespace {

// Two classes of two shots and two questions in each of the phases, each of 6 items of 3 tokens.
constexpr char kConfig[] = "class_incremental { shots: 2 questions: 2 }";
constexpr int64_t kPhase = 18, kPhases = 4;

struct Item {
  std::set<std::string> cues;
  std::string end, label;  // A name or "?", and what is to be said there.
};

std::vector<Item> ItemsOf(const Row& row) {
  std::vector<Item> items;
  for (size_t t = 0; t < row.tokens.size(); t += 3) {
    EXPECT_EQ(row.label_text[t] + row.label_text[t + 1], "..");
    items.push_back(
        {{row.token_text[t], row.token_text[t + 1]}, row.token_text[t + 2], row.label_text[t + 2]});
    EXPECT_EQ(items.back().cues.size(), 2u);
  }
  return items;
}

TEST(ClassIncremental, QuestionsAreAnsweredByTheItemsBefore) {
  const auto source = TaskSource(kConfig, kPhase * kPhases + 5);
  const Examples examples = source->EvalBatch(0, 50);
  const std::vector<int32_t> slices = Ints(examples.slices);
  const std::vector<Row> rows = Rows(*source, examples);
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(static_cast<int64_t>(rows[i].tokens.size()), kPhase * kPhases);
    const std::vector<Item> items = ItemsOf(rows[i]);
    // Whatever the order, a cue belongs to one class.
    std::map<std::string, std::string> class_of;
    for (const Item& item : items) {
      const std::string& name = item.end == "?" ? item.label : item.end;
      for (const std::string& cue : item.cues)
        EXPECT_EQ(class_of.emplace(cue, name).first->second, name);
    }
    std::set<std::string> old_names;
    for (int64_t phase = 0; phase < kPhases; ++phase) {
      std::multiset<std::string> shown;
      int old_questions = 0;
      for (int64_t j = 0; j < 6; ++j) {
        const Item& item = items[phase * 6 + j];
        if (j < 4) {
          EXPECT_EQ(item.label, ".");
          EXPECT_FALSE(old_names.contains(item.end));
          shown.insert(item.end);
          continue;
        }
        EXPECT_EQ(item.end, "?");
        const bool old = old_names.contains(item.label);
        EXPECT_TRUE(old || shown.contains(item.label));
        const size_t at = i * examples.tokens.dim(1) + (phase * 6 + j) * 3 + 2;
        EXPECT_EQ(source->slices()[slices[at]], old ? "phase=old" : "phase=new");
        old_questions += old;
      }
      EXPECT_EQ(old_questions, phase > 0);
      old_names.insert(shown.begin(), shown.end());
      EXPECT_EQ(shown.size(), 4u);
      EXPECT_EQ(static_cast<int64_t>(old_names.size()), 2 * (phase + 1)) << "two shots of each";
    }
  }
}

}  // namespace
}  // namespace palimpsest
