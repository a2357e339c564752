#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tasks/shifted.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

using Motif = std::vector<int32_t>;  // Different tokens, in order.

class FuzzyRecall : public Task {
 public:
  explicit FuzzyRecall(const FuzzyRecallData& config)
      : config_(config), keys_((config.vocab() - 1) / 2), pad_(config.vocab() - 1) {}

  int64_t vocab() const override { return config_.vocab(); }
  absl::Status CheckLength(int64_t length) const override {
    return CheckLengthAtLeast(length, 3 * MostPair(),
                              absl::StrCat("with key_motif ", config_.key_motif(),
                                           " and value_motif ", config_.value_motif()));
  }
  std::string Describe() const override {
    return absl::StrCat("recall of keys of up to ", config_.key_motif(), " and values of up to ",
                        config_.value_motif(), " tokens, vocabulary ", config_.vocab());
  }

  Example Make(int64_t length, Split split, Draws& draws) const override {
    const Motif last_key = DrawKey(split, draws), last_value = DrawValue(draws);
    const auto last_size = static_cast<int64_t>(last_key.size() + last_value.size());
    // Pairs begin before this, which leaves room for the last one's rest and the question.
    const int64_t full = length + 1 - last_size - MostPair();
    const int64_t shown_from = draws.Below(full - MostPair());  // No pair is longer than the rest.
    std::map<Motif, Motif> value_of = {{last_key, last_value}};
    std::set<Motif> seen;
    Shifted pairs;
    while (pairs.size() < full) {
      const bool show = pairs.size() >= shown_from && !seen.contains(last_key);
      const Motif key = show ? last_key : DrawKey(split, draws);
      const auto [it, is_new] = value_of.try_emplace(key);
      if (is_new) it->second = DrawValue(draws);
      Append(key, it->second, !seen.insert(key).second, &pairs);
    }
    Append(last_key, last_value, /*asked=*/true, &pairs);
    return PadFront(std::move(pairs), length, train_all(split));
  }

 private:
  int64_t MostPair() const { return config_.key_motif() + config_.value_motif(); }
  bool train_all(Split split) const { return config_.train_all() && split == Split::kTrain; }

  Motif DrawKey(Split split, Draws& draws) const {
    const int64_t most = config_.key_motif();
    return draws.Distinct(split == Split::kTrain ? 1 + draws.Below(most) : most, 0, keys_);
  }
  Motif DrawValue(Draws& draws) const {
    return draws.Distinct(1 + draws.Below(config_.value_motif()), keys_, pad_);
  }

  static void Append(const Motif& key, const Motif& value, bool asked, Shifted* pairs) {
    for (const int32_t token : key) pairs->Add(token, /*asked=*/false);
    for (const int32_t token : value) pairs->Add(token, asked);
  }

  Example PadFront(Shifted pairs, int64_t length, bool all) const {
    const int64_t padding = length + 1 - pairs.size();
    const Example unpadded = std::move(pairs).Finish(all);
    Example example;
    for (int64_t i = 0; i < padding; ++i) example.Add(pad_);
    for (size_t t = 0; t < unpadded.tokens.size(); ++t)
      example.Add(unpadded.tokens[t], unpadded.labels[t]);
    return example;
  }

  const FuzzyRecallData config_;
  const int64_t keys_, pad_;
};

}  // namespace

TaskOrError MakeFuzzyRecall(const DataConfig& data) {
  const FuzzyRecallData& config = data.fuzzy_recall();
  constexpr int64_t kMostMotif = 64;
  absl::Status status = CheckTaskValue("vocab", config.vocab(), 3);
  if (status.ok()) status = CheckTaskValue("key_motif", config.key_motif(), 1, kMostMotif);
  if (status.ok()) status = CheckTaskValue("value_motif", config.value_motif(), 1, kMostMotif);
  if (!status.ok()) return status;
  const int64_t keys = (config.vocab() - 1) / 2, values = config.vocab() - 1 - keys;
  if (keys < config.key_motif() || values < config.value_motif())
    return absl::InvalidArgumentError(
        absl::StrCat("vocab ", config.vocab(), " has ", keys, " tokens for keys and ", values,
                     " for values, too few for key_motif ", config.key_motif(), " and value_motif ",
                     config.value_motif()));
  return std::make_shared<FuzzyRecall>(config);
}

}  // namespace palimpsest
