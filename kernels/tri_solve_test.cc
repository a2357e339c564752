#include "kernels/tri_solve.h"

#include <cmath>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

struct Problem {
  int64_t batch, n, m;
  bool transposed;
  DType dtype;
};

// NaN on and above the diagonal, which is not to be read.
Tensor LowerWithNans(const Problem& p) {
  const RandomStream stream(1, "l");
  std::vector<double> values(p.batch * p.n * p.n);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto row = static_cast<int64_t>(i) / p.n % p.n, col = static_cast<int64_t>(i) % p.n;
    values[i] = col < row ? 0.3 * stream.Normal(i) : std::nan("");
  }
  return Tensor::FromVector({p.batch, p.n, p.n}, values, p.dtype);
}

template <typename F>
std::vector<double> Solve(const Problem& p, Device device, F solve) {
  const Tensor l = CopyTo(LowerWithNans(p), device);
  const Tensor r = CopyTo(RandomNormal({p.batch, p.n, p.m}, RandomStream(2, "r"), p.dtype), device);
  Tensor x = Tensor::Empty(r.shape(), p.dtype, device);
  solve(TriSolveArgs{p.batch, p.n, p.m, p.transposed, l.raw(), r.raw(), x.mutable_raw(), p.dtype});
  return x.ToVector();
}

std::vector<double> Fast(const Problem& p, Device device) {
  return Solve(p, device, [=](const TriSolveArgs& args) { tri_solve(device, args); });
}

class TriSolveTest : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
  }
};

TEST_P(TriSolveTest, MatchesReference) {
  const int64_t sizes[][3] = {{1, 1, 1},  {2, 3, 5},   {3, 16, 64}, {2, 17, 33},
                              {1, 64, 1}, {5, 64, 65}, {0, 4, 4},   {2, 0, 3},
                              {2, 3, 0},  {1, 2, 31},  {1, 7, 100}};
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    for (const auto& s : sizes) {
      for (const bool transposed : {false, true}) {
        const Problem p{s[0], s[1], s[2], transposed, dtype};
        const std::vector<double> got = Fast(p, GetParam()),
                                  want = Solve(p, Device::kCpu, TriSolveReference);
        double scale = 1.0;
        for (const double v : want) scale = std::max(scale, std::abs(v));
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_NEAR(got[i], want[i], scale * (dtype == DType::kF64 ? 1e-13 : 1e-5))
              << "n " << p.n << ", m " << p.m << ", transposed " << transposed << ", at " << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, TriSolveTest,
                         testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

TEST(TriSolveCpuTest, SameBitsForAnyNumberOfThreads) {
  const int threads = NumThreads();
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const Problem p{6, 50, 70, true, dtype};
    SetNumThreads(1);
    const std::vector<double> one = Fast(p, Device::kCpu);
    SetNumThreads(5);
    EXPECT_EQ(Fast(p, Device::kCpu), one);
  }
  SetNumThreads(threads);
}

}  // namespace
}  // namespace palimpsest
