#include "nn/statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/random.h"
#include "core/tape.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

constexpr int kPowerIterations = 12;

// The lengths of the columns [..., n, 1]: [..., 1, 1].
Tensor LengthOf(const Tensor& x) { return Norm(x, {-2}, /*keep=*/true); }

// The squares of the matrices' largest singular values and of their Frobenius norms.
Tensors Squares(const Tensor& given) {
  const int64_t rows = given.dim(-2), columns = given.dim(-1);
  const Tensor m = Reshape(Cast(given, DType::kF64), {-1, rows, columns});
  Tensor x =
      CopyTo(RandomNormal({m.dim(0), columns, 1}, RandomStream(1, "power iteration"), DType::kF64),
             m.device());
  Tensor length = LengthOf(x);
  for (int i = 0; i < kPowerIterations; ++i) {
    x = Div(x, Maximum(length, Tensor::Full({}, 1e-300, DType::kF64, m.device())));
    x = MatMul(m, MatMul(m, x), {.a = true});
    length = LengthOf(x);
  }
  return {length, Sum(Mul(m, m), {-2, -1}, /*keep=*/true)};
}

}  // namespace

Summary Summarize(const Tensor& x) {
  const std::vector<double> values = x.ToVector();
  if (values.empty()) return {};
  Summary s{.mean = 0.0, .min = values[0], .max = values[0]};
  for (const double v : values) {
    s.mean += v;
    s.min = std::min(s.min, v);
    s.max = std::max(s.max, v);
  }
  s.mean /= static_cast<double>(values.size());
  return s;
}

void PutSummary(const StatisticSink& statistics, const std::string& name, const Summary& summary) {
  statistics(name + ".mean", summary.mean);
  statistics(name + ".min", summary.min);
  statistics(name + ".max", summary.max);
}

double MeanNorm(const Tensor& x, int axes) {
  std::vector<int> last;
  for (int axis = 1; axis <= axes; ++axis) last.push_back(-axis);
  return Summarize(RunUnrecorded([&] { return Tensors{Norm(x, last)}; })[0]).mean;
}

Spectrum SpectrumOf(const Tensor& matrices) {
  if (matrices.size() == 0) return {};
  const Tensors squares = RunUnrecorded([&] { return Squares(matrices); });
  const std::vector<double> largest = squares[0].ToVector(), sums = squares[1].ToVector();
  Spectrum spectrum;
  double ranks = 0.0, counted = 0.0;
  for (size_t i = 0; i < largest.size(); ++i) {
    spectrum.largest = std::max(spectrum.largest, std::sqrt(largest[i]));
    if (!(largest[i] > 0.0)) continue;
    ranks += sums[i] / largest[i];
    counted += 1.0;
  }
  if (counted > 0.0) spectrum.stable_rank = ranks / counted;
  return spectrum;
}

}  // namespace palimpsest
