#include "optim/gradients.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/global_norm.h"
#include "kernels/sum_squares.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "optim/in_place.h"

namespace palimpsest {
namespace {

constexpr double kClipEps = 1e-6;

// min(1, max_norm / (norm + eps)), as a tape sees it.
Tensor TrackedScale(const NamedTensors& grads, double max_norm, Device device) {
  const auto constant = [&](double value) { return Tensor::Full({}, value, DType::kF64, device); };
  Tensor sum = constant(0.0);
  for (const auto& [name, g] : grads) {
    const Tensor wide = Cast(g, DType::kF64);
    sum = Add(sum, Sum(Mul(wide, wide)));
  }
  return Minimum(constant(1.0), Div(constant(max_norm), Add(Sqrt(sum), kClipEps)));
}

}  // namespace

std::string GradientNorms::NonFinite() const {
  if (std::isfinite(Norm())) return "";
  const std::vector<double> of_each = squares.ToVector();
  const auto bad = std::find_if_not(of_each.begin(), of_each.end(),
                                    [](double square) { return std::isfinite(square); });
  return bad == of_each.end() ? "(their norm)" : names[bad - of_each.begin()];
}

GradientNorms MeasureGradients(const NamedTensors& grads, double max_norm, Tensor* skipped,
                               StepGuard* guard) {
  const OpScope scope("gradient_norms");
  const Device device = grads.empty() ? Device::kCpu : grads.begin()->second.device();
  const auto count = static_cast<int64_t>(grads.size());
  const auto scalar = [&] { return Tensor::Empty(Shape(), DType::kF64, device); };
  GradientNorms norms;
  norms.squares = Tensor::Empty({count}, DType::kF64, device);
  norms.norm = scalar(), norms.scale = scalar();
  std::vector<SumSquaresArgs> each;
  for (const auto& [name, g] : grads) {
    norms.names.push_back(name);
    each.push_back({.dtype = g.dtype(), .size = g.size(), .x = g.raw()});
  }
  sum_squares(device, each, norms.squares.mutable_data<double>());
  std::optional<Replacement> counted, failed;
  if (skipped != nullptr) counted.emplace(*skipped);
  if (guard != nullptr && guard->failed) failed.emplace(guard->failed);
  const bool sees_loss = guard != nullptr && guard->loss;
  global_norm(device, {.count = count,
                       .squares = norms.squares.data<double>(),
                       .max_norm = max_norm,
                       .norm = norms.norm.mutable_data<double>(),
                       .scale = norms.scale.mutable_data<double>(),
                       .skipped = counted ? static_cast<const double*>(counted->from()) : nullptr,
                       .skipped_out = counted ? static_cast<double*>(counted->to()) : nullptr,
                       .loss = sees_loss ? guard->loss.data<double>() : nullptr,
                       .failed = failed ? static_cast<const double*>(failed->from()) : nullptr,
                       .failed_out = failed ? static_cast<double*>(failed->to()) : nullptr});
  const bool tracked =
      std::any_of(grads.begin(), grads.end(), [](const auto& g) { return IsTracked(g.second); });
  if (tracked && max_norm > 0.0 && norms.Norm() > 0.0 && std::isfinite(norms.Norm()))
    norms.scale = TrackedScale(grads, max_norm, device);
  return norms;
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
