#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/random.h"
#include "ops/loss.h"
#include "train/data.h"

namespace palimpsest {
namespace {

// The numbers of a stream, one after another.
class Draws {
 public:
  explicit Draws(const RandomStream& stream) : stream_(stream) {}
  int64_t Below(int64_t n) { return static_cast<int64_t>(stream_.Below(next_++, n)); }
  double Uniform() { return stream_.Uniform(next_++); }

 private:
  const RandomStream stream_;
  uint64_t next_ = 0;
};

// `count` distinct integers of [low, high): the first steps of a Fisher-Yates shuffle.
std::vector<int32_t> Distinct(int64_t count, int64_t low, int64_t high, Draws* draws) {
  std::vector<int32_t> all(high - low);
  std::iota(all.begin(), all.end(), static_cast<int32_t>(low));
  for (int64_t i = 0; i < count; ++i) std::swap(all[i], all[i + draws->Below(high - low - i)]);
  all.resize(count);
  return all;
}

class MqarSource : public DataSource {
 public:
  MqarSource(const MqarData& config, int64_t length, uint64_t seed)
      : config_(config), length_(length), train_(seed, "mqar.train"), eval_(seed, "mqar.eval") {
    const int64_t slots = (length - 2 * config.pairs() * config.passes()) / 2;
    for (int64_t i = 1; i <= slots; ++i)
      slot_weights_.push_back(config.power_a() * std::pow(i, config.power_a() - 1));
  }

  int64_t vocab() const override { return config_.vocab(); }
  Examples TrainBatch(int64_t step, int64_t batch) const override {
    return Generate(train_, step * batch, (step + 1) * batch);
  }
  int64_t eval_examples() const override { return config_.eval_examples(); }
  Examples EvalBatch(int64_t begin, int64_t end) const override {
    return Generate(eval_, begin, end);
  }
  std::string Describe() const override {
    return absl::StrCat("multi-query recall of ", config_.pairs(), " pairs, vocabulary ",
                        config_.vocab());
  }
  std::string Fingerprint() const override { return ""; }

 private:
  Examples Generate(const RandomStream& stream, int64_t begin, int64_t end) const {
    Examples examples{Tensor::Empty({end - begin, length_}, DType::kI32),
                      Tensor::Empty({end - begin, length_}, DType::kI32)};
    for (int64_t i = begin; i < end; ++i) {
      const int64_t offset = (i - begin) * length_;
      FillExample(Draws(stream.Fork(i)), examples.tokens.mutable_data<int32_t>() + offset,
                  examples.labels.mutable_data<int32_t>() + offset);
    }
    return examples;
  }

  void FillExample(Draws draws, int32_t* tokens, int32_t* labels) const {
    constexpr int32_t kUnset = -1;
    std::fill_n(tokens, length_, kUnset);
    std::fill_n(labels, length_, kIgnoreLabel);
    const int64_t pairs = config_.pairs(), half = config_.vocab() / 2;
    const std::vector<int32_t> keys = Distinct(pairs, 1, half, &draws);
    const std::vector<int32_t> values = Distinct(pairs, half, config_.vocab(), &draws);
    int32_t* next = tokens;
    for (int64_t pass = 0; pass < config_.passes(); ++pass)
      for (int64_t j = 0; j < pairs; ++j) *next++ = keys[j], *next++ = values[j];
    const int64_t context = next - tokens;
    const std::vector<int64_t> slots = DrawSlots(&draws);
    for (int64_t j = 0; j < pairs; ++j) {
      tokens[context + 2 * slots[j]] = keys[j];
      labels[context + 2 * slots[j]] = values[j];
    }
    for (int64_t t = context; t < length_; ++t) {
      if (tokens[t] == kUnset)
        tokens[t] =
            config_.random_non_queries() ? static_cast<int32_t>(draws.Below(config_.vocab())) : 0;
    }
  }

  std::vector<int64_t> DrawSlots(Draws* draws) const {
    std::vector<double> weights = slot_weights_;
    std::vector<int64_t> slots;
    while (static_cast<int64_t>(slots.size()) < config_.pairs()) {
      double rest = draws->Uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
      int64_t slot = -1;  // The one `rest` falls into; by rounding it may fall past the last.
      for (size_t i = 0; i < weights.size() && rest >= 0; ++i) {
        if (weights[i] == 0) continue;
        slot = static_cast<int64_t>(i);
        rest -= weights[i];
      }
      slots.push_back(slot);
      weights[slot] = 0;
    }
    return slots;
  }

  const MqarData config_;
  const int64_t length_;
  const RandomStream train_, eval_;
  std::vector<double> slot_weights_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DataSource>> MakeMqarSource(const MqarData& config, int64_t length,
                                                           uint64_t seed) {
  const auto error = [](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("data.mqar: ", parts...));
  };
  constexpr int64_t kMost = 1 << 24;  // Products of what is below it cannot overflow.
  const int64_t vocab = config.vocab(), pairs = config.pairs(), passes = config.passes();
  if (pairs < 1 || passes < 1 || pairs > kMost || passes > kMost)
    return error("pairs is ", pairs, " and passes ", passes, ", both must be from 1 to ", kMost);
  if (length < 1 || length > kMost || length % 2 != 0)
    return error("length is ", length, ", must be even and positive");
  if (vocab <= length || vocab > kMost)
    return error("vocab is ", vocab, ", must be above length ", length, " and at most ", kMost);
  if (2 * pairs * passes + 2 * pairs > length)
    return error(pairs, " pairs shown ", passes, " times and asked for once need a length of ",
                 2 * pairs * passes + 2 * pairs, ", and length is ", length);
  if (pairs > vocab / 2 - 1)
    return error(pairs, " pairs need a vocab of ", 2 * pairs + 2, " or more, not ", vocab);
  if (!(config.power_a() > 0)) return error("power_a is ", config.power_a(), ", must be positive");
  if (config.eval_examples() < 1) return error("eval_examples must be at least 1");
  return std::make_unique<MqarSource>(config, length, seed);
}

}  // namespace palimpsest
