// What is exactly so of a write to the stream (Zhang et al. 2026, section 3).
#include "ops/delta_residual.h"

#include <cmath>
#include <vector>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/norm.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr int64_t kRows = 3, kChannels = 2, kWidth = 6;

Tensor Draw(const Shape& shape, const char* name, DType dtype = DType::kF64) {
  return RandomNormal(shape, RandomStream(1, name), dtype);
}

const Tensor& Stream() {
  static const Tensor kStream = Draw({kRows, kChannels, kWidth}, "stream");
  return kStream;
}
const Tensor& Direction() {
  static const Tensor kDirection = Draw({kRows, kWidth}, "direction");
  return kDirection;
}
const Tensor& Values() {
  static const Tensor kValues = Draw({kRows, kChannels}, "v");
  return kValues;
}
Tensor Beta(double beta) { return Tensor::Full({kRows}, beta, DType::kF64); }

// What is found along the direction: [rows, channels].
Tensor Found(const Tensor& stream) {
  const Tensor k = Reshape(L2Normalize(Direction(), 1e-10), {kRows, kWidth, 1});
  return Reshape(MatMul(stream, k), {kRows, kChannels});
}

TEST(DeltaResidual, LeavesOneMinusBetaOfTheError) {
  const Tensor error = Sub(Values(), Found(Stream()));
  for (const double beta : {0.0, 0.3, 1.0, 1.5, 2.0}) {
    const Tensor after = DeltaResidual(Stream(), Direction(), Beta(beta), Values());
    EXPECT_LT(Distance(Add(Sub(Values(), Found(after)), 1.0), Add(Mul(error, 1.0 - beta), 1.0)),
              1e-9)
        << beta;
  }
}

TEST(DeltaResidual, OfBetaZeroIsTheStream) {
  EXPECT_TRUE(SameBits(DeltaResidual(Stream(), Direction(), Beta(0), Values()), Stream()));
}

TEST(DeltaResidual, OfBetaOneIsWhatWasToBeWritten) {
  const Tensor after = DeltaResidual(Stream(), Direction(), Beta(1), Values());
  EXPECT_LT(Distance(Found(after), Values()), 1e-9);
  const Tensor again = DeltaResidual(after, Direction(), Beta(1), Values());
  EXPECT_LT(Distance(again, after), 1e-9);
}

TEST(DeltaResidual, WithoutErasureAddsWhateverIsThere) {
  const DeltaResidualOptions options{.erase = false};
  const Tensor after = DeltaResidual(Stream(), Direction(), Beta(0.7), Values(), options);
  const Tensor added = Sub(Found(after), Found(Stream()));
  EXPECT_LT(Distance(added, Mul(Values(), 0.7)), 1e-9);
}

// By Gaussian elimination with row exchanges.
double Determinant(std::vector<double> a, int64_t n) {
  double determinant = 1.0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t pivot = i;
    for (int64_t r = i + 1; r < n; ++r)
      if (std::abs(a[r * n + i]) > std::abs(a[pivot * n + i])) pivot = r;
    if (pivot != i) determinant = -determinant;
    for (int64_t c = 0; c < n; ++c) std::swap(a[i * n + c], a[pivot * n + c]);
    determinant *= a[i * n + i];
    for (int64_t r = i + 1; r < n; ++r) {
      const double factor = a[r * n + i] / a[i * n + i];
      for (int64_t c = i; c < n; ++c) a[r * n + c] -= factor * a[i * n + c];
    }
  }
  return determinant;
}

// The shortcut is what becomes of the identity when nothing is written: 1 - beta along k, 1 across.
TEST(DeltaResidual, HasTheSpectrumOfItsBeta) {
  std::vector<double> identity(kWidth * kWidth);
  for (int64_t i = 0; i < kWidth; ++i) identity[i * kWidth + i] = 1.0;
  const Tensor eye = Tensor::FromVector({kWidth, kWidth}, identity, DType::kF64);
  const Tensor direction = Draw({kWidth}, "direction");
  const Tensor k = Reshape(L2Normalize(direction, 1e-10), {kWidth, 1});
  const Tensor other = Draw({kWidth, 1}, "other");
  const Tensor across = Sub(other, Mul(k, MatMul(k, other, {.a = true})));
  for (const double beta : {0.0, 0.4, 1.0, 1.6, 2.0}) {
    const Tensor shortcut = DeltaResidual(eye, direction, Tensor::Full({}, beta, DType::kF64),
                                          Tensor::Full({kWidth}, 0.0, DType::kF64));
    EXPECT_LT(Distance(Add(MatMul(shortcut, k), 3.0), Add(Mul(k, 1.0 - beta), 3.0)), 1e-9);
    EXPECT_LT(Distance(MatMul(shortcut, across), across), 1e-9);
    EXPECT_NEAR(Determinant(shortcut.ToVector(), kWidth), 1.0 - beta, 1e-9);
  }
}

TEST(DeltaResidual, IsPreciseForSmallAndLargeDirections) {
  for (const double scale : {1e-3, 1.0, 1e6}) {
    const Tensor direction = Mul(Direction(), scale);
    const Tensor want = DeltaResidual(Stream(), direction, Beta(1.2), Values());
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const auto narrow = [](const Tensor& x) { return Cast(x, DType::kF32); };
      const Tensor got = DeltaResidual(Cast(Stream(), dtype), Cast(direction, dtype),
                                       narrow(Beta(1.2)), narrow(Values()));
      EXPECT_LT(Distance(got, want), dtype == DType::kF32 ? 1e-6 : 1e-2) << scale << " " << dtype;
    }
  }
}

// A direction of no length writes nothing, and has a gradient.
TEST(DeltaResidual, OfNoDirectionIsTheStream) {
  const Tensor none = Tensor::Full({kRows, kWidth}, 0.0, DType::kF64);
  const Function f = [&](const Tensors& x) {
    return Tensors{DeltaResidual(Stream(), x[0], Beta(1), Values())};
  };
  EXPECT_TRUE(SameBits(f({none})[0], Stream()));
  const Tensor dy = Draw(Stream().shape(), "dy");
  EXPECT_TRUE(AllFinite(Gradients(f, {none}, {dy})[0]));
}

}  // namespace
}  // namespace palimpsest
