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

// What is added: nothing, what c holds, or another matrix.
enum class Adds { kNothing, kC, kOther };

struct Case {
  int64_t m, n, k;
  bool trans_a = false, trans_b = false;
  Adds adds = Adds::kNothing;
  int64_t batch[2] = {1, 1};
  bool symmetric = false;
};

std::string Name(const Case& c) {
  return ToString({c.batch[0], c.batch[1], c.m, c.n, c.k}) + (c.trans_a ? " ta" : "") +
         (c.trans_b ? " tb" : "") +
         (c.adds == Adds::kC       ? " +c"
          : c.adds == Adds::kOther ? " +"
                                   : "") +
         (c.symmetric ? " sym" : "");
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

GemmArgs Args(const Case& c, const Tensor& a, const Tensor& b, const Tensor& other, Tensor& y) {
  GemmArgs g{.m = c.m, .n = c.n, .k = c.k, .trans_a = c.trans_a, .trans_b = c.trans_b};
  std::copy(c.batch, c.batch + 2, g.batch);
  g.symmetric = c.symmetric, g.dtype = a.dtype(), g.out = y.dtype();
  Place(g.a, a, a.raw());
  Place(g.b, b, b.raw());
  Place(g.c, y, y.mutable_raw());
  if (c.adds != Adds::kNothing) g.add = c.adds == Adds::kC ? y.raw() : other.raw();
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

  // What the device makes of y, which may be added itself, or `other`.
  static Tensor Run(const Case& c, const Tensor& a, const Tensor& b, const Tensor& other,
                    const Tensor& y, bool one_b = false) {
    const Device device = GetParam();
    const Tensor there_a = CopyTo(a, device), there_b = CopyTo(b, device);
    const Tensor there_other = other ? CopyTo(other, device) : Tensor();
    Tensor there_y = CopyTo(y, device);
    GemmArgs g = Args(c, there_a, there_b, there_other, there_y);
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
  const Tensor other = Make(c, c.m, c.n, 4, out);
  Tensor want = Make(c, c.m, c.n, 3, out);
  const Tensor y = Run(c, a, b, other, Make(c, c.m, c.n, 3, out));
  GemmReference(Args(c, a, b, other, want));
  ExpectNear(c, y, want, dtype);
}

void GemmTest::CheckGram(const Case& c, DType dtype, DType out) {
  const Tensor x = Make(c, c.trans_a ? c.k : c.n, c.trans_a ? c.n : c.k, 1, dtype);
  // NaNs, or symmetric numbers of row and column; the columns to spare are not c's.
  const auto start = [&](bool nan) {
    Tensor y = Make(c, c.n, c.n, 3, out);
    DispatchFloat(out, [&]<typename T>() {
      for (int64_t outer = 0; outer < c.batch[0]; ++outer) {
        for (int64_t inner = 0; inner < c.batch[1]; ++inner) {
          T* at = y.template mutable_data<T>() + outer * y.dim(1) * y.dim(2) * y.dim(3) +
                  inner * y.dim(3);
          for (int64_t i = 0; i < c.n; ++i) {
            for (int64_t j = 0; j < c.n; ++j) {
              at[i * y.dim(2) * y.dim(3) + j] =
                  static_cast<T>(nan ? std::numeric_limits<double>::quiet_NaN()
                                     : 1.0 / static_cast<double>(1 + i * i + j * j));
            }
          }
        }
      }
    });
    return y;
  };
  const Tensor other = start(false);
  const bool poisoned = c.adds != Adds::kC;
  Tensor want = start(poisoned);
  const Tensor y = Run(c, x, x, other, start(poisoned));
  GemmReference(Args(c, x, x, other, want));
  ExpectNear(c, y, want, dtype);
}

const std::pair<DType, DType> kTypes[] = {{DType::kF64, DType::kF64},
                                          {DType::kF32, DType::kF32},
                                          {DType::kBf16, DType::kF32},
                                          {DType::kBf16, DType::kBf16}};

TEST_P(GemmTest, MatchesReferenceForAllFlags) {
  const int64_t sizes[][3] = {{1, 1, 1},
                              {1, 37, 19},
                              {3, 5, 7},
                              {4, 64, 65},
                              {37, 1, 19},
                              {100, 3, 50},
                              {13, 33, 17},
                              {64, 64, 64},
                              {25, 70, 1},
                              {50, 96, 400},
                              // Vectors, and blocks that would be, where oneDNN is worth it.
                              {1, 500, 300},
                              {500, 1, 300},
                              {65, 65, 1000}};
  for (const auto& [dtype, out] : kTypes) {
    for (const auto& s : sizes) {
      for (int flags = 0; flags < 12; ++flags) {
        const auto adds = static_cast<Adds>(flags / 4);
        Check({s[0], s[1], s[2], (flags & 1) != 0, (flags & 2) != 0, adds}, dtype, out);
      }
    }
  }
}

TEST_P(GemmTest, BatchesOfStridedViews) {
  for (const auto& [dtype, out] : kTypes) {
    Check({17, 9, 20, false, true, Adds::kNothing, {2, 3}}, dtype, out);
    Check({5, 40, 33, true, false, Adds::kC, {3, 2}}, dtype, out);
    Check({5, 40, 33, true, false, Adds::kOther, {3, 2}}, dtype, out);
    Check({1, 24, 24, false, false, Adds::kOther, {2, 5}}, dtype, out);
    Check({64, 64, 64, false, true, Adds::kNothing, {10, 4}}, dtype, out);
  }
}

// So a sequence's logits do not depend on what else is in its batch.
TEST(Gemm, ARowOnTheCpuHasTheSameBitsAmongAnyOthers) {
  constexpr int64_t kMost = 217;
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const int64_t n : {5, 11, 16, 17, 33, 64, 100}) {
      for (const int64_t k : {16, 41, 400}) {
        for (const bool trans_b : {false, true}) {
          const Case all{kMost, n, k, false, trans_b};
          const Tensor a = Make(all, kMost, k, 1, dtype);
          const Tensor b = Make(all, trans_b ? n : k, trans_b ? k : n, 2, dtype);
          const auto run = [&](int64_t m) {
            Case c = all;
            c.m = m;
            Tensor y = Make(c, m, n, 3, dtype);
            gemm(Device::kCpu, Args(c, a, b, {}, y));
            return y.ToVector();
          };
          const std::vector<double> want = run(kMost);
          // A product with few rows of both is one of dot products.
          for (const int64_t m : {1, 2, 3, 5, 7, 8, 12, 13, 25, 64, 100}) {
            if (trans_b && m <= 4) continue;
            const std::vector<double> got = run(m);
            for (int64_t i = 0; i < m * (n + 1); ++i)
              ASSERT_EQ(got[i], want[i]) << Name(all) << " of " << m << " rows, " << dtype;
          }
        }
      }
    }
  }
}

// a a^T or a^T a, to a c that is poisoned, or that is symmetric and added.
TEST_P(GemmTest, SymmetricProductsAreTheWholeProducts) {
  for (const auto& [dtype, out] : kTypes) {
    for (const int64_t n : {0, 1, 2, 5, 12, 33, 63, 64, 65, 100, 200}) {
      for (const int64_t k : {0, 1, 7, 100}) {
        for (const Adds adds : {Adds::kNothing, Adds::kC, Adds::kOther}) {
          CheckGram({n, n, k, true, false, adds, {2, 1}, true}, dtype, out);
          CheckGram({n, n, k, false, true, adds, {2, 1}, true}, dtype, out);
        }
      }
    }
    CheckGram({390, 390, 420, true, false, Adds::kOther, {1, 1}, true}, dtype, out);
    CheckGram({700, 700, 30, false, true, Adds::kC, {1, 2}, true}, dtype, out);
  }
}

// Not of one matrix: powers of one commute.
TEST_P(GemmTest, SymmetricProductOfMatricesThatCommute) {
  constexpr int64_t kN = 150;
  const Case gram{kN, kN, 20, false, true, Adds::kNothing, {1, 1}, true}, square{kN, kN, kN};
  const Tensor x = Make(gram, kN, 20, 1, DType::kF64);
  const Tensor g = Run(gram, x, x, {}, Make(gram, kN, kN, 3, DType::kF64));
  const Tensor g2 = Run(square, g, g, {}, Make(square, kN, kN, 3, DType::kF64));
  Case product = square;
  const std::vector<double> want =
      Run(product, g, g2, {}, Make(square, kN, kN, 3, DType::kF64)).ToVector();
  product.symmetric = true;
  const std::vector<double> got =
      Run(product, g, g2, {}, Make(square, kN, kN, 3, DType::kF64)).ToVector();
  const auto at = [](int64_t i, int64_t j) { return i * (kN + 1) + j; };
  for (int64_t i = 0; i < kN; ++i) {
    for (int64_t j = 0; j < kN; ++j) {
      ASSERT_NEAR(got[at(i, j)], want[at(i, j)], 1e-12 * 20 * 20 * 20 * kN);
      ASSERT_EQ(got[at(i, j)], got[at(j, i)]) << i << ", " << j;
    }
  }
}

TEST_P(GemmTest, ZeroExtents) {
  for (const auto& [dtype, out] : kTypes) {
    for (const Adds adds : {Adds::kNothing, Adds::kC, Adds::kOther}) {
      Check({4, 6, 0, false, false, adds}, dtype, out);
      Check({1, 6, 0, false, true, adds}, dtype, out);
      Check({0, 6, 3, false, false, adds}, dtype, out);
      Check({4, 0, 3, true, false, adds}, dtype, out);
      Check({4, 4, 3, false, false, adds, {0, 2}}, dtype, out);
    }
  }
}

TEST_P(GemmTest, MoreProductsThanALibraryTakesAtOnce) {
  for (const auto& [dtype, out] : kTypes)
    Check({2, 3, 2, false, true, Adds::kOther, {1, 70000}}, dtype, out);
}

TEST_P(GemmTest, OneMatrixForTheWholeBatch) {
  const Case c{12, 8, 5, false, false, Adds::kNothing, {3, 2}};
  const Tensor a = Make(c, 12, 5, 1, DType::kF64), b = Make(c, 5, 8, 2, DType::kF64);
  Tensor want = Make(c, 12, 8, 3, DType::kF64);
  const Tensor y = Run(c, a, b, {}, Make(c, 12, 8, 3, DType::kF64), /*one_b=*/true);
  GemmArgs expected = Args(c, a, b, {}, want);
  expected.b.strides[0] = expected.b.strides[1] = 0;
  GemmReference(expected);
  const std::vector<double> x = y.ToVector(), z = want.ToVector();
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], z[i], 1e-12);
}

// Also large enough to be cut up in every direction.
TEST_P(GemmTest, SameBitsEachTimeForAnyNumberOfThreads) {
  const Case cases[] = {{130, 600, 400, false, false},
                        {200, 530, 200, true, true},
                        {500, 8, 400, false, false, Adds::kOther},
                        {1, 2000, 500, false, true},
                        {96, 96, 96, false, true, Adds::kNothing, {2, 8}},
                        {390, 390, 400, false, true, Adds::kOther, {1, 1}, true}};
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
        const Tensor y = Run(c, a, b, Make(c, c.m, c.n, 4, out), Make(c, c.m, c.n, 3, out));
        if (n == 1) first = y.ToVector();
        EXPECT_EQ(y.ToVector(), first) << Name(c) << " " << dtype << " to " << out << " on " << n;
      }
    }
  }
  SetNumThreads(threads);
}

// Off a GPU nothing changes. On one the error of a term is up to twice 2^-11 of it, or 2^-10 if
// operands are cut off, and of sums of 64 positive ones not much less: 2^-24 were it f32's.
TEST_P(GemmTest, RoundsOperandsToTf32WhereAllowed) {
  const Case c{512, 512, 64};
  const auto uniform = [](int64_t rows, int64_t cols, uint64_t seed) {  // As aligned as can be.
    return RandomUniform({1, rows, 1, cols}, RandomStream(seed, "gemm"), DType::kF32);
  };
  const Tensor a = uniform(512, 64, 1), b = uniform(64, 512, 2), start = uniform(512, 512, 3);
  Tensor want = uniform(512, 512, 3);
  GemmReference(Args(c, a, b, {}, want));
  const std::vector<double> exact = want.ToVector(), f32 = Run(c, a, b, {}, start).ToVector();
  AllowTf32(true);
  const std::vector<double> tf32 = Run(c, a, b, {}, start).ToVector();
  const Tensor wide_a = Make(c, 512, 64, 1, DType::kF64), wide_b = Make(c, 64, 512, 2, DType::kF64);
  const Tensor wide = Run(c, wide_a, wide_b, {}, Make(c, 512, 512, 3, DType::kF64));
  AllowTf32(false);
  EXPECT_EQ(Run(c, a, b, {}, start).ToVector(), f32);
  EXPECT_EQ(Run(c, wide_a, wide_b, {}, Make(c, 512, 512, 3, DType::kF64)).ToVector(),
            wide.ToVector());
  double most = 0.0;
  for (size_t i = 0; i < exact.size(); ++i)
    most = std::max(most, std::abs(tf32[i] - exact[i]) / std::abs(exact[i]));
  if (GetParam() == Device::kCpu) {
    EXPECT_EQ(tf32, f32);
  } else {
    EXPECT_GT(most, 0x1p-16);
    EXPECT_LT(most, 0x1p-9);
  }
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
