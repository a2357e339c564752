#include "kernels/gemm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

struct Case {
  int64_t m, n, k;
  bool trans_a = false, trans_b = false;
  bool accumulate = false;
  int64_t batch[2] = {1, 1};
  bool symmetric = false;
};

std::string Name(const Case& c) {
  return ToString({c.batch[0], c.batch[1], c.m, c.n, c.k}) + (c.trans_a ? " ta" : "") +
         (c.trans_b ? " tb" : "") + (c.accumulate ? " acc" : "") + (c.symmetric ? " sym" : "");
}

// The operands lie as [outer, row, inner, column], with a column to spare: nothing is contiguous.
Tensor Make(const Case& c, int64_t rows, int64_t cols, uint64_t seed, DType dtype) {
  return RandomNormal({c.batch[0], rows, c.batch[1], cols + 1}, RandomStream(seed, "gemm"), dtype);
}

template <typename Matrix, typename Pointer>
void Place(Matrix& matrix, const Tensor& x, Pointer data) {
  matrix.data = data;
  matrix.ld = x.dim(2) * x.dim(3);
  matrix.strides[0] = x.dim(1) * x.dim(2) * x.dim(3);
  matrix.strides[1] = x.dim(3);
}

GemmArgs Args(const Case& c, const Tensor& a, const Tensor& b, Tensor& y) {
  GemmArgs g{.m = c.m, .n = c.n, .k = c.k, .trans_a = c.trans_a, .trans_b = c.trans_b};
  std::copy(c.batch, c.batch + 2, g.batch);
  g.accumulate = c.accumulate, g.symmetric = c.symmetric, g.dtype = a.dtype(), g.out = y.dtype();
  Place(g.a, a, a.raw());
  Place(g.b, b, b.raw());
  Place(g.c, y, y.mutable_raw());
  return g;
}

// Rounding of `out`, and of k sums in the type that is accumulated in.
double Tolerance(DType out, int64_t k) {
  const double eps = out == DType::kF64 ? 0x1p-52 : 0x1p-23;
  return eps * static_cast<double>(k + 8) + (out == DType::kBf16 ? 0x1p-7 : 0.0);
}

class GemmTest : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
  }

  // What the device makes of y; the strides of g are y's, its matrices are a and b.
  static Tensor Run(const Case& c, const Tensor& a, const Tensor& b, const Tensor& y,
                    bool one_b = false) {
    const Device device = GetParam();
    const Tensor there_a = CopyTo(a, device), there_b = CopyTo(b, device);
    Tensor there_y = CopyTo(y, device);
    GemmArgs g = Args(c, there_a, there_b, there_y);
    if (one_b) g.b.strides[0] = g.b.strides[1] = 0;
    gemm(device, g);
    return CopyTo(there_y, Device::kCpu);
  }

  static void Check(const Case& c, DType dtype, DType out);
  static void CheckGram(const Case& c, DType dtype, DType out);
};

void ExpectNear(const Case& c, const Tensor& y, const Tensor& want, DType dtype) {
  const std::vector<double> got = y.ToVector(), expected = want.ToVector();
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], expected[i], Tolerance(y.dtype(), c.k) * (1 + std::abs(expected[i])))
        << Name(c) << " " << dtype << " to " << y.dtype() << " at " << i;
  }
}

void GemmTest::Check(const Case& c, DType dtype, DType out) {
  const Tensor a = Make(c, c.trans_a ? c.k : c.m, c.trans_a ? c.m : c.k, 1, dtype);
  const Tensor b = Make(c, c.trans_b ? c.n : c.k, c.trans_b ? c.k : c.n, 2, dtype);
  Tensor want = Make(c, c.m, c.n, 3, out);
  const Tensor y = Run(c, a, b, Make(c, c.m, c.n, 3, out));
  GemmReference(Args(c, a, b, want));
  ExpectNear(c, y, want, dtype);
}

void GemmTest::CheckGram(const Case& c, DType dtype, DType out) {
  const Tensor x = Make(c, c.trans_a ? c.k : c.n, c.trans_a ? c.n : c.k, 1, dtype);
  // NaNs, or sums of squares of the numbers of row and column; the columns to spare are not c's.
  const auto start = [&] {
    Tensor y = Make(c, c.n, c.n, 3, out);
    DispatchFloat(out, [&]<typename T>() {
      for (int64_t outer = 0; outer < c.batch[0]; ++outer) {
        for (int64_t inner = 0; inner < c.batch[1]; ++inner) {
          T* at = y.template mutable_data<T>() + outer * y.dim(1) * y.dim(2) * y.dim(3) +
                  inner * y.dim(3);
          for (int64_t i = 0; i < c.n; ++i) {
            for (int64_t j = 0; j < c.n; ++j) {
              at[i * y.dim(2) * y.dim(3) + j] =
                  static_cast<T>(c.accumulate ? 1.0 / static_cast<double>(1 + i * i + j * j)
                                              : std::numeric_limits<double>::quiet_NaN());
            }
          }
        }
      }
    });
    return y;
  };
  Tensor want = start();
  const Tensor y = Run(c, x, x, start());
  GemmReference(Args(c, x, x, want));
  ExpectNear(c, y, want, dtype);
}

const std::pair<DType, DType> kTypes[] = {{DType::kF64, DType::kF64},
                                          {DType::kF32, DType::kF32},
                                          {DType::kBf16, DType::kF32},
                                          {DType::kBf16, DType::kBf16}};

TEST_P(GemmTest, MatchesReferenceForAllFlags) {
  const int64_t sizes[][3] = {{1, 1, 1},    {1, 37, 19},  {3, 5, 7},    {4, 64, 65}, {37, 1, 19},
                              {100, 3, 50}, {13, 33, 17}, {64, 64, 64}, {25, 70, 1}, {50, 96, 400}};
  for (const auto& [dtype, out] : kTypes) {
    for (const auto& s : sizes) {
      for (int flags = 0; flags < 8; ++flags) {
        Check({s[0], s[1], s[2], (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0}, dtype, out);
      }
    }
  }
}

TEST_P(GemmTest, BatchesOfStridedViews) {
  for (const auto& [dtype, out] : kTypes) {
    Check({17, 9, 20, false, true, false, {2, 3}}, dtype, out);
    Check({5, 40, 33, true, false, true, {3, 2}}, dtype, out);
    Check({1, 24, 24, false, false, false, {2, 5}}, dtype, out);
    Check({64, 64, 64, false, true, false, {10, 4}}, dtype, out);
  }
}

// a a^T or a^T a, to a c that is poisoned, or that is symmetric and added to.
TEST_P(GemmTest, SymmetricProductsAreTheWholeProducts) {
  for (const auto& [dtype, out] : kTypes) {
    for (const int64_t n : {0, 1, 2, 5, 12, 33, 63, 64, 65, 100, 200}) {
      for (const int64_t k : {0, 1, 7, 100}) {
        for (int flags = 0; flags < 4; ++flags) {
          const bool columns = (flags & 1) != 0, accumulate = (flags & 2) != 0;
          CheckGram({n, n, k, columns, !columns, accumulate, {2, 1}, true}, dtype, out);
        }
      }
    }
    CheckGram({390, 390, 420, true, false, false, {1, 1}, true}, dtype, out);
    CheckGram({700, 700, 30, false, true, true, {1, 2}, true}, dtype, out);
  }
}

// Not of one matrix: powers of one commute.
TEST_P(GemmTest, SymmetricProductOfMatricesThatCommute) {
  constexpr int64_t kN = 150;
  const Case gram{kN, kN, 20, false, true, false, {1, 1}, true}, square{kN, kN, kN};
  const Tensor x = Make(gram, kN, 20, 1, DType::kF64);
  const Tensor g = Run(gram, x, x, Make(gram, kN, kN, 3, DType::kF64));
  const Tensor g2 = Run(square, g, g, Make(square, kN, kN, 3, DType::kF64));
  Case product = square;
  const std::vector<double> want =
      Run(product, g, g2, Make(square, kN, kN, 3, DType::kF64)).ToVector();
  product.symmetric = true;
  const std::vector<double> got =
      Run(product, g, g2, Make(square, kN, kN, 3, DType::kF64)).ToVector();
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-12 * 20 * 20 * 20 * kN);
}

TEST_P(GemmTest, ZeroExtents) {
  for (const auto& [dtype, out] : kTypes) {
    for (const bool accumulate : {false, true}) {
      Check({4, 6, 0, false, false, accumulate}, dtype, out);
      Check({1, 6, 0, false, true, accumulate}, dtype, out);
      Check({0, 6, 3, false, false, accumulate}, dtype, out);
      Check({4, 0, 3, true, false, accumulate}, dtype, out);
      Check({4, 4, 3, false, false, accumulate, {0, 2}}, dtype, out);
    }
  }
}

TEST_P(GemmTest, OneMatrixForTheWholeBatch) {
  const Case c{12, 8, 5, false, false, false, {3, 2}};
  const Tensor a = Make(c, 12, 5, 1, DType::kF64), b = Make(c, 5, 8, 2, DType::kF64);
  Tensor want = Make(c, 12, 8, 3, DType::kF64);
  const Tensor y = Run(c, a, b, Make(c, 12, 8, 3, DType::kF64), /*one_b=*/true);
  GemmArgs expected = Args(c, a, b, want);
  expected.b.strides[0] = expected.b.strides[1] = 0;
  GemmReference(expected);
  const std::vector<double> x = y.ToVector(), z = want.ToVector();
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], z[i], 1e-12);
}

// Also large enough to be cut up in every direction.
TEST_P(GemmTest, SameBitsEachTimeForAnyNumberOfThreads) {
  const Case cases[] = {{130, 600, 400, false, false},
                        {200, 530, 200, true, true},
                        {500, 8, 400, false, false, true},
                        {1, 2000, 500, false, true},
                        {96, 96, 96, false, true, false, {2, 8}},
                        {390, 390, 400, false, true, false, {1, 1}, true}};
  const int threads = NumThreads();
  for (const auto& [dtype, out] : kTypes) {
    for (const Case& c : cases) {
      if (!c.symmetric) Check(c, dtype, out);
      const Tensor a = Make(c, c.trans_a ? c.k : c.m, c.trans_a ? c.m : c.k, 1, dtype);
      const Tensor b =
          c.symmetric ? a : Make(c, c.trans_b ? c.n : c.k, c.trans_b ? c.k : c.n, 2, dtype);
      std::vector<double> first;
      for (const int n : {1, 2, 3, 7}) {
        SetNumThreads(n);
        const Tensor y = Run(c, a, b, Make(c, c.m, c.n, 3, out));
        if (n == 1) first = y.ToVector();
        EXPECT_EQ(y.ToVector(), first) << Name(c) << " " << dtype << " to " << out << " on " << n;
      }
    }
  }
  SetNumThreads(threads);
}

INSTANTIATE_TEST_SUITE_P(Devices, GemmTest,
                         testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

TEST(GemmDeathTest, NamesADtypeItDoesNotTake) {
  EXPECT_DEATH(gemm(Device::kCpu, GemmArgs{.dtype = DType::kI32}), "gemm of i32");
}

TEST(GemmDeathTest, SymmetricIsSquare) {
  EXPECT_DEATH(gemm(Device::kCpu, GemmArgs{.m = 2, .n = 3, .symmetric = true}), "2 x 3");
}

}  // namespace
}  // namespace palimpsest
