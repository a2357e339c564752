#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

std::vector<int64_t> DrawTokens(int64_t count, int64_t vocab, Draws& draws) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(draws.Below(vocab));
  return tokens;
}

class SelectiveCopying : public Task {
 public:
  explicit SelectiveCopying(const SelectiveCopyingData& config)
      : config_(config), blank_(config.vocab() - 2), copy_(config.vocab() - 1) {}

  int64_t vocab() const override { return config_.vocab(); }
  absl::Status CheckLength(int64_t length) const override {
    return CheckLengthAtLeast(length, 2 * config_.tokens() + 2,
                              absl::StrCat("with tokens ", config_.tokens()));
  }
  std::string Describe() const override {
    return absl::StrCat("selective copying of ", config_.tokens(), " tokens, vocabulary ",
                        config_.vocab());
  }
  std::string Text(int32_t token) const override {
    return token == blank_ ? "_" : token == copy_ ? "COPY" : absl::StrCat(token);
  }

  Example Make(int64_t length, Split, Draws& draws) const override {
    const std::vector<int64_t> tokens = DrawTokens(config_.tokens(), blank_, draws);
    std::vector<int64_t> blanks_before(tokens.size());
    for (int64_t left = length - 2 * config_.tokens() - 1; left > 0; --left)
      ++blanks_before[draws.Below(config_.tokens())];
    Example example;
    for (size_t i = 0; i < tokens.size(); ++i) {
      for (int64_t j = 0; j < blanks_before[i]; ++j) example.Add(blank_);
      example.Add(tokens[i]);
    }
    example.Add(copy_);
    for (const int64_t token : tokens) example.Add(blank_, token);
    return example;
  }

 private:
  const SelectiveCopyingData config_;
  const int64_t blank_, copy_;
};

class Compression : public Task {
 public:
  explicit Compression(int64_t vocab) : sign_(vocab - 1) {}

  int64_t vocab() const override { return sign_ + 1; }
  absl::Status CheckLength(int64_t length) const override { return CheckLengthAtLeast(length, 2); }
  std::string Describe() const override {
    return absl::StrCat("compression, vocabulary ", vocab());
  }
  std::string Text(int32_t token) const override {
    return token == sign_ ? "SIGN" : absl::StrCat(token);
  }

  Example Make(int64_t length, Split, Draws& draws) const override {
    const std::vector<int64_t> tokens = DrawTokens(length / 2, sign_, draws);
    Example example;
    for (const int64_t token : tokens) example.Add(token);
    for (const int64_t token : tokens) example.Add(sign_, token);
    return example;
  }

 private:
  const int64_t sign_;
};

}  // namespace

TaskOrError MakeSelectiveCopying(const DataConfig& data) {
  const SelectiveCopyingData& config = data.selective_copying();
  absl::Status status = CheckTaskValue("vocab", config.vocab(), 3);
  if (status.ok()) status = CheckTaskValue("tokens", config.tokens(), 1);
  if (!status.ok()) return status;
  return std::make_shared<SelectiveCopying>(config);
}

TaskOrError MakeCompression(const DataConfig& data) {
  const int64_t vocab = data.compression().vocab();
  if (absl::Status s = CheckTaskValue("vocab", vocab, 2); !s.ok()) return s;
  return std::make_shared<Compression>(vocab);
}

}  // namespace palimpsest
