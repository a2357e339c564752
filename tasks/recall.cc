#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tasks/shifted.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

// MAD's in-context recall, with and without noise. Tokens are keys, then values, then noise.
class Recall : public Task {
 public:
  Recall(int64_t vocab, int64_t noise_vocab, double noise, bool train_all)
      : keys_((vocab - noise_vocab) / 2),
        values_(vocab - noise_vocab - keys_),
        noise_vocab_(noise_vocab),
        noise_(noise),
        train_all_(train_all) {}

  int64_t vocab() const override { return keys_ + values_ + noise_vocab_; }
  absl::Status CheckLength(int64_t length) const override { return CheckLengthAtLeast(length, 3); }
  std::string Describe() const override {
    return absl::StrCat("in-context recall of ", keys_, " keys and ", values_, " values",
                        noise_ > 0 ? absl::StrCat(", ", 100 * noise_, "% noise") : "");
  }

  Example Make(int64_t length, Split split, Draws& draws) const override {
    const int64_t pairs = (length + 1) / 2;
    // Of what is not the last pair, one is no noise, for the last to ask for.
    const int64_t never_noise = draws.Below(pairs - 1);
    std::unordered_map<int64_t, int64_t> value_of;
    std::vector<int64_t> seen;
    Shifted example;
    for (int64_t i = 0; i + 1 < pairs; ++i) {
      if (noise_ > 0 && i != never_noise && draws.Uniform() < noise_) {
        for (int j = 0; j < 2; ++j)
          example.Add(keys_ + values_ + draws.Below(noise_vocab_), /*asked=*/false);
        continue;
      }
      const int64_t key = draws.Below(keys_);
      const auto [it, is_new] = value_of.try_emplace(key, 0);
      if (is_new) {
        it->second = keys_ + draws.Below(values_);
        seen.push_back(key);
      }
      example.Add(key, /*asked=*/false);
      example.Add(it->second, /*asked=*/!is_new);
    }
    const int64_t last = seen[draws.Below(static_cast<int64_t>(seen.size()))];
    example.Add(last, /*asked=*/false);
    example.Add(value_of[last], /*asked=*/true);
    return std::move(example).Finish(train_all_ && split == Split::kTrain);
  }

 private:
  const int64_t keys_, values_, noise_vocab_;
  const double noise_;
  const bool train_all_;
};

}  // namespace

TaskOrError MakeInContextRecall(const DataConfig& data) {
  const InContextRecallData& config = data.in_context_recall();
  if (absl::Status s = CheckTaskValue("vocab", config.vocab(), 2); !s.ok()) return s;
  return std::make_shared<Recall>(config.vocab(), 0, 0.0, config.train_all());
}

TaskOrError MakeNoisyRecall(const DataConfig& data) {
  const NoisyRecallData& config = data.noisy_recall();
  absl::Status status = CheckTaskValue("noise_vocab", config.noise_vocab(), 1);
  if (status.ok())
    status = CheckTaskValue("vocab", config.vocab(), config.noise_vocab() + 2, kMostTaskSize,
                            absl::StrCat("with noise_vocab ", config.noise_vocab()));
  if (!status.ok()) return status;
  if (!(config.noise() >= 0 && config.noise() < 1))
    return absl::InvalidArgumentError(
        absl::StrCat("noise is ", config.noise(), ", must be at least 0 and below 1"));
  return std::make_shared<Recall>(config.vocab(), config.noise_vocab(), config.noise(),
                                  config.train_all());
}

}  // namespace palimpsest
