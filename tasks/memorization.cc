#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

class Memorization : public Task {
 public:
  explicit Memorization(const MemorizationData& config)
      : keys_((config.vocab() - 1) / 2), sign_(config.vocab() - 1) {
    Draws draws(RandomStream(config.map_seed(), "memorization.map"));
    value_of_ = draws.Distinct(sign_ - keys_, keys_, sign_);
  }

  int64_t vocab() const override { return sign_ + 1; }
  absl::Status CheckLength(int64_t length) const override { return CheckLengthAtLeast(length, 2); }
  std::string Describe() const override {
    return absl::StrCat("memorization of ", keys_, " values");
  }
  std::string Text(int32_t token) const override {
    return token == sign_ ? "SIGN" : absl::StrCat(token);
  }

  Example Make(int64_t length, Split, Draws& draws) const override {
    Example example;
    for (int64_t i = 0; i < length / 2; ++i) {
      const int64_t key = draws.Below(keys_);
      example.Add(key);
      example.Add(sign_, value_of_[key]);
    }
    return example;
  }

 private:
  const int64_t keys_, sign_;
  std::vector<int32_t> value_of_;  // By key; a few values are no key's.
};

}  // namespace

TaskOrError MakeMemorization(const DataConfig& data) {
  const MemorizationData& config = data.memorization();
  if (absl::Status s = CheckTaskValue("vocab", config.vocab(), 3); !s.ok()) return s;
  return std::make_shared<Memorization>(config);
}

}  // namespace palimpsest
