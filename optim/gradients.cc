#include "optim/gradients.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/sum_squares.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

constexpr double kClipEps = 1e-6;

}  // namespace

double GlobalNorm(const NamedTensors& tensors) {
  double sum = 0.0;
  for (const auto& [name, x] : tensors) {
    sum += sum_squares(x.device(), {.dtype = x.dtype(), .size = x.size(), .x = x.raw()});
  }
  return std::sqrt(sum);
}

Tensor ClipScale(const NamedTensors& grads, double norm, double max_norm) {
  const OpScope scope("clip_scale");
  const auto constant = [](double value) { return Tensor::Full({}, value, DType::kF64); };
  if (max_norm == 0.0 || norm == 0.0) return constant(1.0);
  const bool tracked =
      std::any_of(grads.begin(), grads.end(), [](const auto& g) { return IsTracked(g.second); });
  if (!tracked) return constant(std::min(1.0, max_norm / (norm + kClipEps)));
  Tensor sum = constant(0.0);
  for (const auto& [name, g] : grads) {
    const Tensor wide = Cast(g, DType::kF64);
    sum = Add(sum, Sum(Mul(wide, wide)));
  }
  return Minimum(constant(1.0), Div(constant(max_norm), Add(Sqrt(sum), kClipEps)));
}

void AccumulateGradients(NamedTensors& sum, NamedTensors grads, double weight) {
  const OpScope scope("accumulate_gradients");
  const bool first = sum.empty();
  PALIMPSEST_CHECK(first || sum.size() == grads.size())
      << sum.size() << " gradients and " << grads.size();
  for (auto& [name, g] : grads) {
    Tensor scaled = weight == 1.0 ? std::move(g) : Mul(g, weight);
    if (first) {
      sum.emplace(name, std::move(scaled));
      continue;
    }
    const auto it = sum.find(name);
    PALIMPSEST_CHECK(it != sum.end()) << "no gradient " << name << " before";
    it->second = Add(it->second, scaled);
  }
}

}  // namespace palimpsest
