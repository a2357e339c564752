// On every device: the polynomials that the steps are, of singular values that are known.
#include "kernels/newton_schulz.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/tensor.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

constexpr QuinticStep kSteps[] = {
    {3.4445, -4.7750, 2.0315}, {3.2, -4.1, 1.7}, {3.4445, -4.7750, 2.0315}, {2.3, -1.7, 0.42}};

class NewtonSchulzKernel : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
  }

  // The first `steps` of x [batch, rows, cols].
  static std::vector<double> Run(const std::vector<double>& x, DType dtype, int64_t batch,
                                 int64_t rows, int64_t cols, size_t steps) {
    const DType held = dtype == DType::kBf16 ? DType::kF32 : dtype;
    const Shape shape = {batch, rows, cols};
    const Tensor there = CopyTo(Tensor::FromVector(shape, x, held), GetParam());
    Tensor y = Tensor::Empty(shape, held, GetParam());
    newton_schulz(GetParam(), {.dtype = dtype,
                               .batch = batch,
                               .rows = rows,
                               .cols = cols,
                               .steps = absl::MakeSpan(kSteps).first(steps),
                               .x = there.raw(),
                               .y = y.mutable_raw()});
    return y.ToVector();
  }
};
INSTANTIATE_TEST_SUITE_P(All, NewtonSchulzKernel,
                         testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

double Value(const QuinticStep& q, double s) { return s * (q.a + s * s * (q.b + s * s * q.c)); }

// Entry (i, j) of a reflection I - 2 v v^T / |v|^2 of n dimensions.
double Reflection(int64_t n, int64_t i, int64_t j) {
  const auto v = [](int64_t k) { return std::cos(1.7 * static_cast<double>(k) + 0.3); };
  double norm = 0.0;
  for (int64_t k = 0; k < n; ++k) norm += v(k) * v(k);
  return (i == j ? 1.0 : 0.0) - 2.0 * v(i) * v(j) / norm;
}

// Of the matrix `b` of a batch: U diag(s) V^T for reflections U and V, after `steps`.
std::vector<double> Matrices(int64_t batch, int64_t rows, int64_t cols, size_t steps) {
  std::vector<double> x(batch * rows * cols);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t k = 0; k < std::min(rows, cols); ++k) {
      double s = 0.02 + 0.9 * std::abs(std::sin(1.0 + static_cast<double>(3 * k + b)));
      for (size_t i = 0; i < steps; ++i) s = Value(kSteps[i], s);
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < cols; ++j)
          x[(b * rows + i) * cols + j] += s * Reflection(rows, i, k) * Reflection(cols, j, k);
      }
    }
  }
  return x;
}

TEST_P(NewtonSchulzKernel, MapsSingularValues) {
  struct Extents {
    int64_t batch, rows, cols;
  };
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF64, 1e-11), std::pair(DType::kF32, 1e-4),
        std::pair(DType::kBf16, 0.06)}) {
    for (const auto& [batch, rows, cols] :
         {Extents{1, 1, 1}, {3, 7, 7}, {2, 5, 33}, {2, 33, 5}, {17, 4, 9}, {0, 3, 3}, {2, 0, 3}}) {
      const std::vector<double> x = Matrices(batch, rows, cols, 0);
      for (const size_t steps : {0, 1, 4}) {
        const std::vector<double> got = Run(x, dtype, batch, rows, cols, steps),
                                  want = Matrices(batch, rows, cols, steps);
        for (size_t i = 0; i < want.size(); ++i)
          ASSERT_NEAR(got[i], want[i], tolerance)
              << dtype << " [" << batch << "," << rows << "," << cols << "] " << steps << " steps";
        EXPECT_EQ(Run(x, dtype, batch, rows, cols, steps), got);
      }
    }
  }
}

}  // namespace
}  // namespace palimpsest
