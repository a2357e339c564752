#include "ops/newton_schulz.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "kernels/device_testing.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/reduce.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

Tensor Normal(Shape shape, uint64_t seed, DType dtype = DType::kF64) {
  return RandomNormal(std::move(shape), RandomStream(seed, "newton_schulz"), dtype);
}

Tensor Identity(int64_t n) {
  Tensor eye = Tensor::Full({n, n}, 0.0, DType::kF64);
  for (int64_t i = 0; i < n; ++i) eye.mutable_data<double>()[i * n + i] = 1.0;
  return eye;
}

// A product of reflections: orthogonal.
Tensor Orthogonal(int64_t n, uint64_t seed) {
  Tensor q = Identity(n);
  for (int64_t i = 0; i < n; ++i) {
    const Tensor v = Normal({n, 1}, seed + i);
    const Tensor projection = Div(MatMul(v, v, {.b = true}), Sum(Mul(v, v)));
    q = MatMul(Sub(Identity(n), Mul(projection, 2.0)), q);
  }
  return q;
}

// U diag(s) V^T of the given extents, for as many values as the shorter side has.
struct Decomposed {
  Tensor u, v;  // Columns are the singular vectors.

  Decomposed(int64_t rows, int64_t columns, uint64_t seed) {
    const int64_t rank = std::min(rows, columns);
    u = Slice(Orthogonal(rows, seed), 1, 0, rank);
    v = Slice(Orthogonal(columns, seed + 100), 1, 0, rank);
  }
  Tensor With(const std::vector<double>& s) const {
    const int64_t rank = u.dim(1);
    return MatMul(Mul(u, Tensor::FromVector({1, rank}, s, DType::kF64)), v, {.b = true});
  }
};

double Quintic(double s, absl::Span<const QuinticStep> steps) {
  for (const QuinticStep& q : steps) s = q.a * s + q.b * s * s * s + q.c * std::pow(s, 5);
  return s;
}
double Quintic(double s, int steps) { return Quintic(s, JordanSteps(steps)); }

struct Extents {
  int64_t rows, columns;
};

class NewtonSchulzTest : public ::testing::TestWithParam<Extents> {};

// Singular vectors stay, singular values go through the polynomial.
TEST_P(NewtonSchulzTest, MapsSingularValues) {
  const auto [rows, columns] = GetParam();
  const Decomposed d(rows, columns, 7);
  std::vector<double> s, want;
  double norm = 0.0;
  for (int64_t i = 0; i < std::min(rows, columns); ++i)
    s.push_back(1.0 / static_cast<double>(i + 1)), norm += s.back() * s.back();
  for (double value : s) want.push_back(Quintic(value / std::sqrt(norm), 5));
  EXPECT_LT(Distance(NewtonSchulz(d.With(s), JordanSteps(5)), d.With(want)), 1e-12);
}

// Transposing before is transposing after.
TEST_P(NewtonSchulzTest, CommutesWithTransposition) {
  const auto [rows, columns] = GetParam();
  const Tensor m = Normal({rows, columns}, 5), t = Permute(m, {1, 0});
  EXPECT_LT(
      Distance(NewtonSchulz(t, JordanSteps(5)), Permute(NewtonSchulz(m, JordanSteps(5)), {1, 0})),
      1e-12);
}

TEST_P(NewtonSchulzTest, GradientsAgreeWithDifferences) {
  const auto [rows, columns] = GetParam();
  const auto f = [](const Tensors& x) { return NewtonSchulz(x[0], JordanSteps(3)); };
  CheckGradient(f, {Normal({rows, columns}, 11)});
  CheckSecondGradient(f, {Normal({rows, columns}, 12)});
}

INSTANTIATE_TEST_SUITE_P(Extents, NewtonSchulzTest,
                         ::testing::Values(Extents{3, 7}, Extents{7, 3}, Extents{4, 4},
                                           Extents{1, 5}, Extents{5, 1}, Extents{1, 1}),
                         [](const auto& info) {
                           return std::to_string(info.param.rows) + "x" +
                                  std::to_string(info.param.columns);
                         });

class NewtonSchulzOnDevice : public DeviceTest {
 protected:
  static Tensor There(const Tensor& x) { return CopyTo(x, GetParam()); }
};
PALIMPSEST_ON_EACH_DEVICE(NewtonSchulzOnDevice);

TEST_P(NewtonSchulzOnDevice, ZeroStaysZeroAndHasFiniteGradients) {
  const Tensor zero = Tensor::Full({3, 4}, 0.0, DType::kF32, GetParam());
  EXPECT_TRUE(SameBits(NewtonSchulz(zero, JordanSteps(5)), zero));
  Tape tape;
  tape.Watch(zero);
  EXPECT_TRUE(AllFinite(tape.Gradient(NewtonSchulz(zero, JordanSteps(5)), {zero})[0]));
}

TEST_P(NewtonSchulzOnDevice, RankDeficientKeepsItsNullSpace) {
  const Decomposed d(4, 6, 9);
  const Tensor o = NewtonSchulz(There(d.With({4.0, 3.0, 0.0, 0.0})), JordanSteps(5));
  EXPECT_LT(Distance(o, d.With({Quintic(0.8, 5), Quintic(0.6, 5), 0.0, 0.0})), 1e-12);
}

TEST_P(NewtonSchulzOnDevice, TinyAndHugeMatricesDoNotVanishOrOverflow) {
  const Tensor m = There(Normal({3, 5}, 1, DType::kF32));
  const Tensor o = NewtonSchulz(m, JordanSteps(5));
  EXPECT_LT(Distance(NewtonSchulz(Mul(m, 1e-5), JordanSteps(5)), o), 1e-4);
  EXPECT_LT(Distance(NewtonSchulz(Mul(m, 1e15), JordanSteps(5)), o), 1e-4);
}

// Few at once, or many one by one.
TEST(NewtonSchulz, MatricesOfABatchAreIndependent) {
  for (const int64_t batch : {2, 3, 40}) {
    for (const auto& [rows, columns] : {Extents{3, 4}, {20, 50}, {70, 33}, {40, 40}}) {
      const Tensor m = Normal({batch, rows, columns}, 2, DType::kF32);
      const Tensor o = NewtonSchulz(m, JordanSteps(5));
      for (int64_t i = 0; i < batch; ++i) {
        const Tensor one = Reshape(Slice(m, 0, i, i + 1), {rows, columns});
        EXPECT_TRUE(SameBits(Reshape(Slice(o, 0, i, i + 1), {rows, columns}),
                             NewtonSchulz(one, JordanSteps(5))));
      }
    }
  }
}

TEST(NewtonSchulz, SameBitsForAnyNumberOfThreads) {
  const int threads = NumThreads();
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    for (const Shape& shape : {Shape{200, 200}, {90, 300}, {300, 90}, {20, 30, 40}}) {
      const Tensor m = Normal(shape, 4, dtype);
      SetNumThreads(1);
      const Tensor want = NewtonSchulz(m, JordanSteps(5));
      for (const int n : {2, 3, 7}) {
        SetNumThreads(n);
        EXPECT_TRUE(SameBits(NewtonSchulz(m, JordanSteps(5)), want)) << m << " on " << n;
      }
    }
  }
  SetNumThreads(threads);
}

TEST_P(NewtonSchulzOnDevice, EmptyMatricesAndNoSteps) {
  for (const Shape& shape : {Shape{0, 3}, {3, 0}, {0, 2, 3}, {2, 0, 0}})
    EXPECT_EQ(NewtonSchulz(There(Normal(shape, 1)), JordanSteps(5)).shape(), shape);
  const Tensor m = There(Normal({2, 3, 4}, 1));
  EXPECT_LT(Distance(NewtonSchulz(m, {}), Div(m, Norm(m, {-2, -1}, true))), 1e-15);
}

}  // namespace
}  // namespace palimpsest
