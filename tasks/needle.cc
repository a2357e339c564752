#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/hash.h"
#include "tasks/needle_text.h"
#include "tasks/shifted.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

// What one example says besides the haystack.
struct Needles {
  std::vector<std::string> sentences = {};  // In the order of the text.
  std::string question, answer;
};

class Needle : public Task {
 public:
  Needle(const NeedleData& config, std::vector<std::string> haystack, std::string fingerprint)
      : config_(config),
        words_(config.values() > 1),
        haystack_(std::move(haystack)),
        fingerprint_(std::move(fingerprint)) {}

  int64_t vocab() const override { return 256; }
  absl::Status CheckLength(int64_t length) const override {
    int64_t longest_key = 0;
    for (int64_t i = 0; i < NumNeedleKeys(); ++i)
      longest_key = std::max(longest_key, Size(NeedleKey(i)));
    const std::string key(longest_key, 'k'), value(config_.digits(), '0');
    Needles longest{.question = Question(key), .answer = Answer({size_t(config_.values()), value})};
    longest.sentences.assign(config_.keys() * config_.values(), Sentence(key, value));
    return CheckLengthAtLeast(
        length, FixedSize(longest),
        absl::StrCat("with keys ", config_.keys(), ", values ", config_.values(), ", digits ",
                     config_.digits(), config_.instructions() ? " and instructions" : ""));
  }
  std::string Describe() const override {
    return absl::StrCat("needles in a haystack: keys ", config_.keys(), ", values of each ",
                        config_.values(), ", digits ", config_.digits());
  }
  std::string Text(int32_t token) const override { return ByteText(token); }
  bool is_text() const override { return true; }
  std::string Fingerprint() const override { return fingerprint_; }

  Example Make(int64_t length, Split, Draws& draws) const override {
    const Needles needles = DrawNeedles(draws);
    const std::string text = absl::StrCat(
        Opening(), Bury(needles.sentences, length - FixedSize(needles), draws), needles.question);
    Shifted example;
    for (const unsigned char byte : text) example.Add(byte, /*asked=*/false);
    for (const unsigned char byte : needles.answer)
      example.Add(byte, /*asked=*/byte >= '0' && byte <= '9');
    return std::move(example).Finish(/*all=*/false);
  }

 private:
  static int64_t Size(const std::string& text) { return static_cast<int64_t>(text.size()); }
  static std::string Answer(const std::vector<std::string>& values) {
    return absl::StrJoin(values, ", ");
  }
  std::string Opening() const { return config_.instructions() ? words_.Opening() : ""; }
  std::string Question(const std::string& key) const {
    return config_.instructions() ? words_.Question(key) : "\n" + words_.Needle(key);
  }
  std::string Sentence(const std::string& key, const std::string& value) const {
    return absl::StrCat(words_.Needle(key), value, ". ");
  }
  // Tokens of the example but for the haystack: the last byte is only a label.
  int64_t FixedSize(const Needles& needles) const {
    int64_t size = Size(Opening()) + Size(needles.question) + Size(needles.answer) - 1;
    for (const std::string& sentence : needles.sentences) size += Size(sentence);
    return size;
  }

  // Values are distinct.
  std::vector<std::string> DrawValues(int64_t count, Draws& draws) const {
    int64_t least = 1;
    for (int64_t i = 1; i < config_.digits(); ++i) least *= 10;
    std::set<int64_t> seen;
    std::vector<std::string> values;
    while (static_cast<int64_t>(values.size()) < count) {
      const int64_t value = least + draws.Below(9 * least);
      if (seen.insert(value).second) values.push_back(absl::StrCat(value));
    }
    return values;
  }

  Needles DrawNeedles(Draws& draws) const {
    const int64_t count = config_.keys() * config_.values();
    const std::vector<int32_t> keys = draws.Distinct(config_.keys(), 0, NumNeedleKeys());
    const std::vector<std::string> values = DrawValues(count, draws);
    Needles needles{.question = Question(NeedleKey(keys[0])), .answer = ""};
    std::vector<std::string> answers;
    for (const int32_t i : draws.Distinct(count, 0, count)) {
      const int64_t key = i % config_.keys();
      needles.sentences.push_back(Sentence(NeedleKey(keys[key]), values[i]));
      if (key == 0) answers.push_back(values[i]);
    }
    needles.answer = Answer(answers);
    return needles;
  }

  // `size` bytes of the haystack from a random sentence on, of which the first loses what is too
  // much, with the needles in front of random sentences or at the end.
  std::string Bury(const std::vector<std::string>& needles, int64_t size, Draws& draws) const {
    std::vector<std::string> hay;
    int64_t filled = 0;
    auto next = static_cast<size_t>(draws.Below(static_cast<int64_t>(haystack_.size())));
    for (; filled < size; next = (next + 1) % haystack_.size()) {
      hay.push_back(haystack_[next]);
      filled += Size(hay.back());
    }
    std::vector<int64_t> places;
    for (size_t i = 0; i < needles.size(); ++i)
      places.push_back(draws.Below(static_cast<int64_t>(hay.size()) + 1));
    std::sort(places.begin(), places.end());
    std::string text;
    size_t needle = 0;
    int64_t too_much = filled - size;
    for (size_t i = 0; i <= hay.size(); ++i) {
      for (; needle < needles.size() && places[needle] == static_cast<int64_t>(i); ++needle)
        text += needles[needle];
      if (i == hay.size()) break;
      const int64_t cut = std::min(too_much, Size(hay[i]));
      text += hay[i].substr(cut);
      too_much -= cut;
    }
    return text;
  }

  const NeedleData config_;
  const NeedleWords words_;
  const std::vector<std::string> haystack_;
  const std::string fingerprint_;
};

}  // namespace

TaskOrError MakeNeedle(const DataConfig& data) {
  const NeedleData& config = data.needle();
  constexpr int64_t kMostNeedles = 1000;
  absl::Status status = CheckTaskValue("keys", config.keys(), 1, kMostNeedles);
  if (status.ok()) status = CheckTaskValue("values", config.values(), 1, kMostNeedles);
  if (status.ok()) status = CheckTaskValue("digits", config.digits(), 1, 18);
  if (!status.ok()) return status;
  int64_t numbers = 9;
  for (int64_t i = 1; i < config.digits() && numbers < kMostNeedles * kMostNeedles; ++i)
    numbers *= 10;
  if (config.keys() * config.values() > numbers)
    return absl::InvalidArgumentError(
        absl::StrCat("keys ", config.keys(), " and values ", config.values(), " need more than ",
                     numbers, " numbers: give more digits than ", config.digits()));
  if (config.haystack().empty()) return std::make_shared<Needle>(config, NoiseSentences(), "");
  const absl::StatusOr<std::string> text = ReadTaskFile("data.needle.haystack", config.haystack());
  if (!text.ok()) return text.status();
  if (text->empty())
    return absl::InvalidArgumentError(absl::StrCat("haystack ", config.haystack(), " is empty"));
  return std::make_shared<Needle>(config, SplitSentences(*text), TextHash(*text));
}

}  // namespace palimpsest
