#include "ops/dropout.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace palimpsest {
namespace {

TEST(Dropout, DropsByTheStreamsWords) {
  const int64_t n = 1003;
  const RandomStream stream(5, "dropout", uint64_t{3} << 40);
  const Tensor x = Tensor::Full({n}, 3.0, DType::kF64);
  for (const double rate : {0.0, 0.1, 0.5, 0.999, 1.0 - 0x1p-32}) {
    const std::vector<double> y = Dropout(x, rate, stream).ToVector();
    for (int64_t i = 0; i < n; ++i) {
      const bool dropped = stream.Words(i / 4)[i % 4] < rate * 0x1p32;
      ASSERT_DOUBLE_EQ(y[i], dropped ? 0.0 : 3.0 / (1.0 - rate)) << i << " at rate " << rate;
    }
  }
}

TEST(Dropout, AGivenStepStandsInForTheStreams) {
  const Tensor x = Tensor::Full({100}, 1.0, DType::kF32);
  for (uint64_t step : {uint64_t{0}, uint64_t{3} << 40}) {
    const Tensor given = Tensor::From<int64_t>({}, {static_cast<int64_t>(step)});
    EXPECT_EQ(Dropout(x, 0.5, RandomStream(5, "dropout", 7), given).ToVector(),
              Dropout(x, 0.5, RandomStream(5, "dropout", step)).ToVector());
  }
}

TEST(Dropout, KeepsTheMean) {
  const int64_t n = 1 << 16;
  double sum = 0.0;
  for (double y :
       Dropout(Tensor::Full({n}, 1.0, DType::kF32), 0.3, RandomStream(1, "d")).ToVector()) {
    sum += y;
  }
  EXPECT_NEAR(sum / n, 1.0, 4.0 * std::sqrt(0.3 / 0.7 / n));
}

TEST(Dropout, RateOfOneIsAnError) {
  EXPECT_DEATH(Dropout(Tensor::Full({2}, 1.0, DType::kF32), 1.0, RandomStream(1, "d")),
               "\\[dropout\\].*rate 1 for f32 \\[2\\]");
}

}  // namespace
}  // namespace palimpsest
