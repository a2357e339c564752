// What the steps make of singular values, by table, shape and type; the composed form is the
// oracle.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/newton_schulz.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

struct NamedTable {
  const char* name;
  NewtonSchulzTable table;
  // Five steps, from [0.001, 1], [0.01, 1] and [0.1, 1].
  SingularRange stated[3];
};

const NamedTable kTables[] = {
    {"Jordan", NewtonSchulzTable::kJordan, {{0.471, 1.202}, {0.682, 1.134}, {0.682, 1.134}}},
    {"PolarExpress",
     NewtonSchulzTable::kPolarExpress,
     {{0.840, 1.124}, {0.870, 1.124}, {0.870, 1.124}}},
    {"Dion", NewtonSchulzTable::kDion, {{0.475, 1.145}, {0.978, 1.032}, {0.978, 1.032}}},
    {"ModdedNanogpt",
     NewtonSchulzTable::kModdedNanogpt,
     {{0.847, 1.141}, {0.859, 1.141}, {0.859, 1.141}}}};

double Quintic(double s, const std::vector<QuinticStep>& steps) {
  for (const QuinticStep& q : steps) s = q.a * s + q.b * s * s * s + q.c * std::pow(s, 5);
  return s;
}

// The eigenvalues of a symmetric matrix, ascending: rotations that clear one element after another
// (Jacobi 1846).
std::vector<double> Eigenvalues(std::vector<double> a, int n) {
  const auto at = [&](int i, int j) -> double& { return a[i * n + j]; };
  for (int sweep = 0; sweep < 30; ++sweep) {
    for (int p = 0; p < n; ++p) {
      for (int q = p + 1; q < n; ++q) {
        if (at(p, q) == 0.0) continue;
        const double theta = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const double t = std::copysign(1.0, theta) / (std::abs(theta) + std::hypot(1.0, theta));
        const double c = 1 / std::hypot(1.0, t), s = c * t;
        for (int k = 0; k < n; ++k) {
          const double kp = at(k, p), kq = at(k, q);
          at(k, p) = c * kp - s * kq, at(k, q) = s * kp + c * kq;
        }
        for (int k = 0; k < n; ++k) {
          const double pk = at(p, k), qk = at(q, k);
          at(p, k) = c * pk - s * qk, at(q, k) = s * pk + c * qk;
        }
      }
    }
  }
  std::vector<double> values;
  for (int i = 0; i < n; ++i) values.push_back(at(i, i));
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<double> SingularValues(const Tensor& m) {
  const Tensor gram = Gram(Cast(m, DType::kF64), m.dim(0) > m.dim(1));
  std::vector<double> values = Eigenvalues(gram.ToVector(), static_cast<int>(gram.dim(0)));
  for (double& v : values) v = std::sqrt(std::max(v, 0.0));
  return values;
}

// Columns that are orthonormal: Gram-Schmidt, twice.
Tensor Orthonormal(int64_t rows, int64_t columns, uint64_t seed) {
  const RandomStream stream(seed, "newton_schulz_range");
  std::vector<double> q = RandomNormal({columns, rows}, stream, DType::kF64).ToVector();
  for (int64_t j = 0; j < columns; ++j) {
    double* v = &q[j * rows];
    for (int64_t i = 0; i < 2 * j; ++i) {
      const double* u = &q[i % j * rows];
      double dot = 0.0;
      for (int64_t k = 0; k < rows; ++k) dot += u[k] * v[k];
      for (int64_t k = 0; k < rows; ++k) v[k] -= dot * u[k];
    }
    double norm = 0.0;
    for (int64_t k = 0; k < rows; ++k) norm += v[k] * v[k];
    for (int64_t k = 0; k < rows; ++k) v[k] /= std::sqrt(norm);
  }
  return Permute(Tensor::FromVector({columns, rows}, q, DType::kF64), {1, 0});
}

struct Matrix {
  std::string name;
  int64_t rows, columns, rank;
};

// Of unit norm, with singular values that fall by equal factors to `least` of the largest, then
// zeros; `values` ascending.
Tensor Make(const Matrix& shape, double least, std::vector<double>& values) {
  const int64_t n = std::min(shape.rows, shape.columns);
  std::vector<double> s;
  double norm = 0.0;
  for (int64_t i = 0; i < n; ++i) {
    const double share =
        static_cast<double>(i) / static_cast<double>(std::max<int64_t>(1, shape.rank - 1));
    s.push_back(i < shape.rank ? std::pow(least, share) : 0.0);
    norm += s.back() * s.back();
  }
  for (double& v : s) v /= std::sqrt(std::max(norm, 1e-300));
  const Tensor u = Orthonormal(shape.rows, n, 1), v = Orthonormal(shape.columns, n, 2);
  values.assign(s.rbegin(), s.rend());
  return MatMul(Mul(u, Tensor::FromVector({1, n}, s, DType::kF64)), v, {.b = true});
}

class NewtonSchulzRangeTest : public testing::TestWithParam<NamedTable> {};

TEST_P(NewtonSchulzRangeTest, IsTheRangeStated) {
  const std::vector<QuinticStep> steps = NewtonSchulzSteps(GetParam().table, 5);
  const double lows[] = {1e-3, 1e-2, 1e-1};
  for (int i = 0; i < 3; ++i) {
    const SingularRange range = MapRange(steps, {lows[i], 1.0});
    EXPECT_NEAR(range.low, GetParam().stated[i].low, 6e-4) << lows[i];
    EXPECT_NEAR(range.high, GetParam().stated[i].high, 6e-4) << lows[i];
    SingularRange sampled{2.0, 0.0};
    for (int j = 0; j <= 100000; ++j) {
      const double s = Quintic(lows[i] + (1.0 - lows[i]) * j * 1e-5, steps);
      sampled = {std::min(sampled.low, s), std::max(sampled.high, s)};
    }
    EXPECT_NEAR(range.low, sampled.low, 1e-5) << lows[i];
    EXPECT_NEAR(range.high, sampled.high, 1e-5) << lows[i];
  }
}

// Each singular value goes through the polynomial and into the range.
TEST_P(NewtonSchulzRangeTest, SingularValuesEndInIt) {
  const Matrix shapes[] = {{"tall", 60, 20, 20},    {"wide", 20, 60, 20},
                           {"square", 30, 30, 30},  {"row", 1, 9, 1},
                           {"low rank", 30, 40, 7}, {"low rank tall", 70, 30, 1},
                           {"zero", 12, 20, 0}};
  for (const Matrix& shape : shapes) {
    for (const int count : {1, 5, 8}) {
      const std::vector<QuinticStep> steps = NewtonSchulzSteps(GetParam().table, count);
      std::vector<double> values;
      const Tensor m = Make(shape, 3e-3, values);
      std::vector<double> want = values;
      for (double& s : want) s = std::abs(Quintic(s, steps));
      std::sort(want.begin(), want.end());
      for (const DType dtype : {DType::kF64, DType::kF32}) {
        const std::vector<double> got = SingularValues(NewtonSchulz(Cast(m, dtype), steps));
        const double tolerance = dtype == DType::kF64 ? 1e-7 : 1e-3;
        for (size_t i = 0; i < got.size(); ++i)
          EXPECT_NEAR(got[i], want[i], tolerance) << shape.name << " " << count << " " << dtype;
        if (shape.rank == 0) continue;
        const double least = values[values.size() - shape.rank];
        const SingularRange range = MapRange(steps, {least, 1.0});
        EXPECT_GE(got[got.size() - shape.rank], range.low - tolerance) << shape.name;
        EXPECT_LE(got.back(), range.high + tolerance) << shape.name;
      }
    }
  }
}

// Rounded factors turn and scale the singular vectors a little at each step.
TEST_P(NewtonSchulzRangeTest, Bf16IsNearF32) {
  const std::vector<QuinticStep> steps = NewtonSchulzSteps(GetParam().table, 5);
  for (const Shape& shape : {Shape{40, 90}, {90, 40}, {2, 64, 64}, {20, 16, 40}}) {
    const Tensor m = RandomNormal(shape, RandomStream(3, "m"), DType::kBf16);
    const Tensor y = NewtonSchulz(m, steps);
    EXPECT_EQ(y.dtype(), DType::kBf16);
    EXPECT_LT(Distance(y, NewtonSchulz(Cast(m, DType::kF32), steps)), 0.06) << m;
    if (m.rank() > 2) continue;
    const SingularRange range = MapRange(steps, {1e-2, 1.0});
    const std::vector<double> got = SingularValues(y);
    EXPECT_GE(got.front(), range.low - 0.06) << m;
    EXPECT_LE(got.back(), range.high + 0.06) << m;
  }
}

// Also where rounding makes eigenvalues of a Gram matrix negative, and for more steps than there
// are in a chain. Without end, steps would make something of what rounding leaves where X is 0.
TEST_P(NewtonSchulzRangeTest, FusedIsComposed) {
  const Matrix shapes[] = {
      {"", 40, 90, 40}, {"", 90, 40, 30}, {"", 50, 50, 50}, {"", 64, 200, 3}, {"", 33, 50, 33}};
  for (const Matrix& shape : shapes) {
    for (const int count : {1, 2, 5, 8, 12}) {
      if (count > 8 && shape.rank < std::min(shape.rows, shape.columns)) continue;
      const std::vector<QuinticStep> steps = NewtonSchulzSteps(GetParam().table, count);
      std::vector<double> values;
      const Tensor m = Make(shape, 1e-3, values);
      for (const DType dtype : {DType::kF64, DType::kF32}) {
        const Tensor x = Cast(m, dtype), y = NewtonSchulz(x, steps);
        const ComposedScope composed;
        EXPECT_LT(Distance(y, NewtonSchulz(x, steps)), dtype == DType::kF64 ? 1e-9 : 2e-3)
            << x << " of rank " << shape.rank << ", " << count << " steps";
      }
    }
  }
}

TEST_P(NewtonSchulzRangeTest, RepeatsItsLastStep) {
  const std::vector<QuinticStep> steps = NewtonSchulzSteps(GetParam().table, 12);
  EXPECT_EQ(steps[10].a, steps[11].a);
  EXPECT_TRUE(NewtonSchulzSteps(GetParam().table, 0).empty());
}

INSTANTIATE_TEST_SUITE_P(Tables, NewtonSchulzRangeTest, testing::ValuesIn(kTables),
                         [](const auto& info) { return std::string(info.param.name); });

// Beyond five steps only Polar Express goes on to orthogonality.
TEST(NewtonSchulzRange, PolarExpressConverges) {
  const SingularRange range =
      MapRange(NewtonSchulzSteps(NewtonSchulzTable::kPolarExpress, 9), {1e-3, 1.0});
  EXPECT_NEAR(range.low, 1.0, 1e-5);
  EXPECT_NEAR(range.high, 1.0, 1e-5);
}

}  // namespace
}  // namespace palimpsest
