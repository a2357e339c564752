#include "kernels/gemm.h"

#include <algorithm>
#include <cmath>
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
};

std::string Name(const Case& c) {
  return ToString({c.batch[0], c.batch[1], c.m, c.n, c.k}) + (c.trans_a ? " ta" : "") +
         (c.trans_b ? " tb" : "") + (c.accumulate ? " acc" : "");
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
  g.accumulate = c.accumulate, g.dtype = a.dtype(), g.out = y.dtype();
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
};

void GemmTest::Check(const Case& c, DType dtype, DType out) {
  const Tensor a = Make(c, c.trans_a ? c.k : c.m, c.trans_a ? c.m : c.k, 1, dtype);
  const Tensor b = Make(c, c.trans_b ? c.n : c.k, c.trans_b ? c.k : c.n, 2, dtype);
  Tensor want = Make(c, c.m, c.n, 3, out);
  const Tensor y = Run(c, a, b, Make(c, c.m, c.n, 3, out));
  GemmReference(Args(c, a, b, want));
  const std::vector<double> got = y.ToVector(), expected = want.ToVector();
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], expected[i], Tolerance(out, c.k) * (1 + std::abs(expected[i])))
        << Name(c) << " " << dtype << " to " << out << " at " << i;
  }
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
                        {96, 96, 96, false, true, false, {2, 8}}};
  const int threads = NumThreads();
  for (const auto& [dtype, out] : kTypes) {
    for (const Case& c : cases) {
      Check(c, dtype, out);
      const Tensor a = Make(c, c.trans_a ? c.k : c.m, c.trans_a ? c.m : c.k, 1, dtype);
      const Tensor b = Make(c, c.trans_b ? c.n : c.k, c.trans_b ? c.k : c.n, 2, dtype);
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

INSTANTIATE_TEST_SUITE_P(Devices, GemmTest, testing::Values(Device::kCpu, Device::kCuda),
                         testing::PrintToStringParamName());

TEST(GemmDeathTest, NamesADtypeItDoesNotTake) {
  EXPECT_DEATH(gemm(Device::kCpu, GemmArgs{.dtype = DType::kI32}), "gemm of i32");
}

}  // namespace
}  // namespace palimpsest
