#include "train/model_cost.h"

#include <string>
#include <vector>

#include "core/tape.h"
#include "ops/flop_count.h"

namespace palimpsest {
namespace {

// Composed attention takes memory by the square of the length, which a run may have no room for.
constexpr int64_t kLongest = 1024;

double ForwardFlops(const LanguageModel& model, int64_t length) {
  if (length > kLongest) {
    // A part for each token and one for each two of them.
    const double half = kLongest / 2.0, times = static_cast<double>(length) / half;
    const double once = ForwardFlops(model, kLongest / 2), twice = ForwardFlops(model, kLongest);
    const double pairs = (twice - 2 * once) / 2;
    return times * (once - pairs) + times * times * pairs;
  }
  const ComposedScope composed;
  const FlopCount count;
  model.Forward(Tensor::From<int32_t>({1, length}, std::vector<int32_t>(length)));
  return static_cast<double>(count.flops());
}

}  // namespace

// Grows with the vocabulary or the longest text, not with what the model does of it.
bool IsEmbedding(const std::string& path) {
  for (const char* part : {"embedding.", "positions.", "head."}) {
    if (path.starts_with(part)) return true;
  }
  return false;
}

ModelCost SizesOf(LanguageModel& model, int64_t length) {
  ModelCost cost;
  model.ForEachParam([&](const std::string& path, const Tensor& param) {
    cost.parameters += param.size();
    if (!IsEmbedding(path)) cost.non_embedding_parameters += param.size();
  });
  cost.state_bytes = model.StateBytes(length);
  return cost;
}

ModelCost CostOf(LanguageModel& model, int64_t length) {
  ModelCost cost = SizesOf(model, length);
  cost.flops_per_token = ForwardFlops(model, length) / static_cast<double>(length);
  return cost;
}

}  // namespace palimpsest
