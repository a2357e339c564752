#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ops/loss.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

class Mqar : public Task {
 public:
  Mqar(const MqarData& config, int64_t pairs) : config_(config), pairs_(pairs) {}

  int64_t vocab() const override { return config_.vocab(); }
  std::string Describe() const override {
    return absl::StrCat("multi-query recall of ", pairs_, " pairs, vocabulary ", config_.vocab());
  }

  absl::Status CheckLength(int64_t length) const override {
    const int64_t need = 2 * pairs_ * config_.passes() + 2 * pairs_;
    if (length % 2 != 0)
      return absl::InvalidArgumentError(absl::StrCat("length is ", length, ", must be even"));
    if (config_.vocab() <= length)
      return absl::InvalidArgumentError(
          absl::StrCat("vocab is ", config_.vocab(), ", must be above length ", length));
    if (need > length)
      return absl::InvalidArgumentError(
          absl::StrCat("pairs ", pairs_, ", shown in passes ", config_.passes(),
                       " and asked for once, need a length of ", need, ", and length is ", length));
    return absl::OkStatus();
  }

  Example Make(int64_t length, Split, Draws& draws) const override {
    constexpr int32_t kUnset = -1;
    const int64_t half = config_.vocab() / 2;
    const std::vector<int32_t> keys = draws.Distinct(pairs_, 1, half);
    const std::vector<int32_t> values = draws.Distinct(pairs_, half, config_.vocab());
    Example example;
    for (int64_t pass = 0; pass < config_.passes(); ++pass) {
      for (int64_t j = 0; j < pairs_; ++j) {
        example.Add(keys[j]);
        example.Add(values[j]);
      }
    }
    const auto context = static_cast<int64_t>(example.tokens.size());
    while (static_cast<int64_t>(example.tokens.size()) < length) example.Add(kUnset);
    const std::vector<int64_t> slots = DrawSlots((length - context) / 2, draws);
    for (int64_t j = 0; j < pairs_; ++j) {
      example.tokens[context + 2 * slots[j]] = keys[j];
      example.labels[context + 2 * slots[j]] = values[j];
    }
    for (int32_t& token : example.tokens) {
      if (token == kUnset)
        token =
            config_.random_non_queries() ? static_cast<int32_t>(draws.Below(config_.vocab())) : 0;
    }
    return example;
  }

 private:
  std::vector<int64_t> DrawSlots(int64_t count, Draws& draws) const {
    std::vector<double> weights;
    for (int64_t i = 1; i <= count; ++i)
      weights.push_back(config_.power_a() *
                        std::pow(static_cast<double>(i), config_.power_a() - 1));
    std::vector<int64_t> slots;
    while (static_cast<int64_t>(slots.size()) < pairs_) {
      double rest = draws.Uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
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
  const int64_t pairs_;
};

absl::StatusOr<std::shared_ptr<const Task>> MakeMqar(const MqarData& config, int64_t pairs) {
  const int64_t vocab = config.vocab(), passes = config.passes();
  const auto error = [](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat(parts...));
  };
  if (pairs < 1 || passes < 1 || pairs > kMostTaskSize || passes > kMostTaskSize)
    return error("pairs is ", pairs, " and passes ", passes, ", both must be from 1 to ",
                 kMostTaskSize);
  if (vocab < 2 || vocab > kMostTaskSize)
    return error("vocab is ", vocab, ", must be from 2 to ", kMostTaskSize);
  if (pairs > vocab / 2 - 1)
    return error(pairs, " pairs need a vocab of ", 2 * pairs + 2, " or more, not ", vocab);
  if (!(config.power_a() > 0 && std::isfinite(config.power_a())))
    return error("power_a is ", config.power_a(), ", must be positive and finite");
  return std::make_shared<Mqar>(config, pairs);
}

absl::StatusOr<std::vector<Segment>> MakeSegments(
    const MqarData& config, const google::protobuf::RepeatedPtrField<MqarData::Segment>& segments) {
  std::vector<Segment> made;
  for (const MqarData::Segment& segment : segments) {
    const auto task = MakeMqar(config, segment.pairs());
    if (!task.ok()) return task.status();
    if (absl::Status s = CheckTaskLength(**task, segment.length()); !s.ok()) return s;
    made.push_back({*task, segment.length(), segment.length(),
                    absl::StrCat("length=", segment.length(), ",pairs=", segment.pairs())});
  }
  return made;
}

}  // namespace

absl::StatusOr<Segments> MakeMqarSegments(const DataConfig& data, int64_t length) {
  const MqarData& config = data.mqar();
  absl::StatusOr<std::vector<Segment>> train = MakeSegments(config, config.train()),
                                       eval = MakeSegments(config, config.eval());
  if (!train.ok()) return train.status();
  if (!eval.ok()) return eval.status();
  for (const Segment& segment : *train) {
    if (segment.length > length)
      return absl::InvalidArgumentError(
          absl::StrCat("train has a length of ", segment.length, ", and length is ", length));
  }
  if (!train->empty() && !eval->empty()) return Segments{*std::move(train), *std::move(eval)};
  const auto task = MakeMqar(config, config.pairs());
  if (!task.ok()) return task.status();
  absl::StatusOr<Segments> segments = SegmentsByLength(*task, data, length);
  if (!segments.ok()) return segments;
  if (!train->empty()) segments->train = *std::move(train);
  if (!eval->empty()) segments->eval = *std::move(eval);
  return segments;
}

}  // namespace palimpsest
