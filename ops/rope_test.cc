#include "ops/rope.h"

#include <cmath>
#include <vector>

#include "core/random.h"
#include "gtest/gtest.h"
#include "kernels/device_testing.h"

namespace palimpsest {
namespace {

class RopeTest : public DeviceTest {};
PALIMPSEST_ON_EACH_DEVICE(RopeTest);

TEST_P(RopeTest, TurnsPairsByTheirAngle) {
  const int64_t time = 200, dim = 6, offset = 1000;
  const double base = 500.0;
  const Tensor x =
      CopyTo(RandomNormal({1, time, 1, dim}, RandomStream(0, "x"), DType::kF64), GetParam());
  const std::vector<double> in = x.ToVector(), out = Rope(x, offset, base).ToVector();
  for (int64_t t = 0; t < time; ++t) {
    for (int64_t i = 0; i < dim / 2; ++i) {
      const double angle = static_cast<double>(offset + t) * std::pow(base, -2.0 * i / dim);
      const double low = in[t * dim + i], high = in[t * dim + i + dim / 2];
      EXPECT_NEAR(out[t * dim + i], low * std::cos(angle) - high * std::sin(angle), 1e-12);
      EXPECT_NEAR(out[t * dim + i + dim / 2], high * std::cos(angle) + low * std::sin(angle),
                  1e-12);
    }
  }
}

TEST_P(RopeTest, SameBitsWhereverTheSequenceBegins) {
  const Tensor x =
      CopyTo(RandomNormal({150, 1, 2, 8}, RandomStream(0, "x"), DType::kF32), GetParam());
  const std::vector<double> whole = Rope(x.WithShape({1, 150, 2, 8})).ToVector();
  for (const int64_t t : {0, 1, 63, 64, 149}) {
    const std::vector<double> one = Rope(x.Rows(t, t + 1), t).ToVector();
    EXPECT_EQ(one, std::vector<double>(whole.begin() + t * 16, whole.begin() + (t + 1) * 16)) << t;
  }
}

}  // namespace
}  // namespace palimpsest
