#include "train/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "core/random.h"

namespace palimpsest {
namespace {

std::vector<double> LastLogits(const Tensor& logits) {
  return logits.WithShape({logits.dim(1), logits.dim(2)})
      .Rows(logits.dim(1) - 1, logits.dim(1))
      .ToVector();
}

}  // namespace

int32_t Sample(const std::vector<double>& logits, double temperature, int64_t top_k, double u) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (temperature == 0) return order[0];
  if (top_k > 0 && top_k < static_cast<int64_t>(order.size())) order.resize(top_k);
  std::vector<double> weights;
  for (int32_t token : order)
    weights.push_back(std::exp((logits[token] - logits[order[0]]) / temperature));
  double rest = u * std::accumulate(weights.begin(), weights.end(), 0.0);
  for (size_t i = 0; i < order.size(); ++i) {
    rest -= weights[i];
    if (rest < 0) return order[i];
  }
  return order.back();
}

void Generate(const LanguageModel& model, const std::string& prompt, const GenerateOptions& options,
              absl::FunctionRef<bool(char)> emit) {
  const RandomStream stream(options.seed, "generate");
  std::vector<int32_t> tokens;
  for (char c : prompt) tokens.push_back(static_cast<unsigned char>(c));
  NamedTensors state = model.InitState(1);
  for (int64_t i = 0; i < options.tokens; ++i) {
    const Tensor input = Tensor::From<int32_t>({1, static_cast<int64_t>(tokens.size())}, tokens);
    ForwardResult result = model.Forward(input, {.state = std::move(state)});
    state = std::move(result.state);
    tokens = {
        Sample(LastLogits(result.logits), options.temperature, options.top_k, stream.Uniform(i))};
    if (!emit(static_cast<char>(tokens[0]))) return;
  }
}

}  // namespace palimpsest
