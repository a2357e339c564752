#include "ops/attention.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "kernels/device_testing.h"
#include "ops/layout.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

Tensor Normal(Shape shape, const std::string& name) {
  return RandomNormal(std::move(shape), RandomStream(0, name), DType::kF32);
}

class CausalAttentionTest : public DeviceTest {
 protected:
  static Tensor Normal(Shape shape, const std::string& name) {
    return CopyTo(palimpsest::Normal(std::move(shape), name), GetParam());
  }
};
PALIMPSEST_ON_EACH_DEVICE(CausalAttentionTest);

// A token decoded from a cache gets the bits it has among all.
TEST_P(CausalAttentionTest, OneQueryAtATimeGivesTheSameBits) {
  const int64_t time = 200;
  const Tensor q = Normal({1, time, 4, 17}, "q"), k = Normal({1, time, 2, 17}, "k"),
               v = Normal({1, time, 2, 9}, "v");
  for (const AttentionOptions& options : {AttentionOptions{}, AttentionOptions{.window = 70},
                                          AttentionOptions{.window = 5, .prefix = 3}}) {
    const Tensor whole = CausalAttention(q, k, v, options);
    for (const int64_t t : {3, 63, 64, 130, 199}) {
      const Tensor one = CausalAttention(Slice(q, 1, t, t + 1), Slice(k, 1, 0, t + 1),
                                         Slice(v, 1, 0, t + 1), options);
      EXPECT_TRUE(SameBits(one, Slice(whole, 1, t, t + 1))) << t << ", window " << options.window;
    }
  }
}

TEST_P(CausalAttentionTest, LargeLogitsStayFinite) {
  const Tensor q = Tensor::Full({1, 40, 1, 4}, 300.0, DType::kF32, GetParam()),
               k = Normal({1, 40, 1, 4}, "k");
  const Function f = [](const Tensors& x) {
    return CausalAttention(x[0], x[1], x[1], {.scale = 10.0});
  };
  for (const Tensor& x : Gradients(f, {q, k}, {q})) EXPECT_TRUE(AllFinite(x));
}

TEST_P(CausalAttentionTest, NaNShows) {
  std::vector<double> queries = Normal({1, 3, 1, 4}, "q").ToVector();
  queries[5] = std::numeric_limits<double>::quiet_NaN();
  const Tensor q = CopyTo(Tensor::FromVector({1, 3, 1, 4}, queries, DType::kF32), GetParam());
  const Tensor y = CausalAttention(q, Normal({1, 3, 1, 4}, "k"), Normal({1, 3, 1, 4}, "v"));
  EXPECT_TRUE(AllFinite(Slice(y, 1, 0, 1)));
  EXPECT_FALSE(AllFinite(Slice(y, 1, 1, 2)));
  EXPECT_TRUE(AllFinite(Slice(y, 1, 2, 3)));
}

int64_t PeakOfForwardAndBackward(int64_t time) {
  const Tensor x = Normal({1, time, 2, 32}, "x");
  Allocator& memory = Allocator::Of(Device::kCpu);
  const int64_t before = memory.stats().live_bytes;
  memory.ResetPeak();
  Tape tape;
  tape.Watch(x);
  tape.Gradient(CausalAttention(x, x, x), Tensors{x});
  return memory.stats().peak_bytes - before;
}

TEST(CausalAttention, MemoryGrowsLinearlyWithTime) {
  // From 2,048 on, the number of spans that the backward pass cuts the keys into is constant.
  const int64_t once = PeakOfForwardAndBackward(2048), twice = PeakOfForwardAndBackward(4096);
  EXPECT_LT(twice, 2.1 * static_cast<double>(once));
  // A fraction of the logits of one head.
  EXPECT_LT(twice, int64_t{4096} * 4096 * 4 / 4);
}

TEST(CausalAttention, OptionsOutOfRange) {
  const Tensor x = Normal({1, 3, 1, 4}, "x");
  EXPECT_DEATH(CausalAttention(x, x, x, {.window = -1}), "\\[causal_attention\\].*window -1");
}

}  // namespace
}  // namespace palimpsest
