#include "kernels/sum_squares.h"

#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

double SumSquares(const Tensor& x) {
  return sum_squares(x.device(), {.dtype = x.dtype(), .size = x.size(), .x = x.raw()});
}

TEST(SumSquaresKernel, IsTheSumInEveryDType) {
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    for (int64_t size : {0, 1, 15, 17, 16384, 16385, 100001}) {
      const Tensor x = RandomNormal({size}, RandomStream(1, "x"), dtype);
      long double want = 0.0;
      for (double value : x.ToVector()) want += static_cast<long double>(value) * value;
      EXPECT_NEAR(SumSquares(x), static_cast<double>(want), 1e-12 * static_cast<double>(want))
          << dtype << " " << size;
    }
  }
}

TEST(SumSquaresKernel, SameBitsForAnyNumberOfThreads) {
  const Tensor x = RandomNormal({300001}, RandomStream(1, "x"), DType::kF32);
  const int threads = NumThreads();
  SetNumThreads(1);
  const double one = SumSquares(x);
  SetNumThreads(3);
  EXPECT_EQ(SumSquares(x), one);
  SetNumThreads(threads);
}

TEST(SumSquaresKernel, OverflowsForNoF32AndShowsWhatIsNotFinite) {
  Tensor x = Tensor::Full({1000}, 1e38, DType::kF32);
  EXPECT_NEAR(SumSquares(x), 1e79, 1e73);
  x.mutable_data<float>()[999] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(SumSquares(x)));
  x.mutable_data<float>()[0] = std::nanf("");
  EXPECT_TRUE(std::isnan(SumSquares(x)));
}

}  // namespace
}  // namespace palimpsest
