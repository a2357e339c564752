// Recording what a device does and doing it again, on a GPU and on the simulator.
#include "core/device_graph.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "core/allocator.h"
#include "core/random.h"
#include "core/tape.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

class DeviceGraphTest : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!DeviceGraph::Has(GetParam()) || !Allocator::Has(GetParam()))
      GTEST_SKIP() << "there is no device " << GetParam();
  }

  Tensor Random(Shape shape, uint64_t seed) const {
    return CopyTo(RandomNormal(std::move(shape), RandomStream(seed, "x"), DType::kF32), GetParam());
  }

  // Launches, a product, a constant from the host, temporaries.
  Tensor Compute(const Tensor& x) const {
    const Tensor constant =
        CopyTo(Tensor::From<float>({3}, std::vector<float>{1, 2, 3}), GetParam());
    return Add(Mul(MatMul(x, x), constant), Sum(Tanh(x)));
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, DeviceGraphTest,
                         testing::Values(Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

TEST_P(DeviceGraphTest, ReplaysWithOtherInputs) {
  Tensor x = Random({3, 3}, 0);
  Compute(x);
  Tensor y;
  const DeviceGraph graph(GetParam(), [&] { y = Compute(x); });
  for (uint64_t seed = 1; seed < 4; ++seed) {
    const Tensor given = Random({3, 3}, seed);
    Overwrite(x, given);
    graph.Replay();
    EXPECT_EQ(y.ToVector(), Compute(given).ToVector());
  }
}

// On libraries' kernels, with a gradient.
TEST_P(DeviceGraphTest, RecordsAttention) {
  Tensor q = Cast(Random({1, 16, 2, 64}, 0), DType::kBf16);
  const auto compute = [&](const Tensor& x) -> Tensors {
    Tape tape;
    tape.Watch(x);
    const Tensor y = CausalAttention(x, x, x);
    return {y, tape.Gradient(y, Tensors{x})[0]};
  };
  compute(q);
  Tensors results;
  const DeviceGraph graph(GetParam(), [&] { results = compute(q); });
  const Tensor given = Cast(Random({1, 16, 2, 64}, 1), DType::kBf16);
  Overwrite(q, given);
  graph.Replay();
  const Tensors want = compute(given);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(results[i].ToVector(), want[i].ToVector()) << i;
}

TEST_P(DeviceGraphTest, NothingIsDoneBeforeItIsReplayed) {
  const Tensor x = Random({3, 3}, 0);
  Compute(x);
  Allocator::Of(GetParam()).SetPoison(true);
  Tensor y, before = Tensor::Full({3, 3}, 5.0, DType::kF32, GetParam());
  const DeviceGraph graph(GetParam(), [&] {
    y = Compute(x);
    Overwrite(before, y);
  });
  Allocator::Of(GetParam()).SetPoison(false);
  EXPECT_EQ(before.ToVector(), std::vector<double>(9, 5.0));
  graph.Replay();
  EXPECT_EQ(before.ToVector(), Compute(x).ToVector());
}

// Others do not get its temporaries' memory, nor the graph theirs.
TEST_P(DeviceGraphTest, ItsMemoryIsItsOwnWhileItLives) {
  Tensor x = Random({3, 3}, 0);
  const std::vector<double> want = Compute(x).ToVector();
  Tensor y;
  auto graph = std::make_unique<DeviceGraph>(GetParam(), [&] { y = Compute(x); });
  std::vector<Tensor> others;
  for (int i = 0; i < 50; ++i) others.push_back(Tensor::Full({3, 3}, i, DType::kF32, GetParam()));
  graph->Replay();
  EXPECT_EQ(y.ToVector(), want);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(others[i].ToVector(), std::vector<double>(9, i));
  const MemoryStats before = Allocator::Of(GetParam()).stats();
  graph.reset();
  EXPECT_EQ(y.ToVector(), want);
  y = {};
  Allocator::Of(GetParam()).Trim();
  EXPECT_EQ(Allocator::Of(GetParam()).stats().cached_bytes, 0);
  EXPECT_LT(Allocator::Of(GetParam()).stats().live_bytes, before.live_bytes);
}

TEST_P(DeviceGraphTest, CountsWhatIsReadFromTheDevice) {
  const int64_t before = DeviceReads();
  const Tensor y = Compute(Random({3, 3}, 0));
  EXPECT_EQ(DeviceReads(), before);
  y.ToVector();
  EXPECT_EQ(DeviceReads(), before + 1);
}

using DeviceGraphDeathTest = DeviceGraphTest;
INSTANTIATE_TEST_SUITE_P(Devices, DeviceGraphDeathTest,
                         testing::Values(Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

TEST_P(DeviceGraphDeathTest, AReadingCannotBeRecorded) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(
      {
        const Tensor x = Random({3, 3}, 0);
        Compute(x).ToVector();
        DeviceGraph graph(GetParam(), [&] { Compute(x).ToVector(); });
      },
      "cudaErrorStreamCapture");
}

}  // namespace
}  // namespace palimpsest
