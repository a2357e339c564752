// Numbers on their way from a device.
#include "core/pending_item.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "core/allocator.h"
#include "ops/elementwise.h"

namespace palimpsest {
namespace {

class PendingItemTest : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, PendingItemTest,
                         testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

// Each is what it was when the device came to it, whatever happened to its memory since.
TEST_P(PendingItemTest, IsWhatItWasThen) {
  Tensor x = Tensor::Full({}, 1.0, DType::kF64, GetParam());
  std::vector<std::unique_ptr<PendingItem>> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(std::make_unique<PendingItem>(x));
    Overwrite(x, Mul(x, 2.0));
  }
  const int64_t reads = DeviceReads();
  for (int i = 4; i >= 0; --i) {
    EXPECT_EQ(all[i]->Get(), 1 << i);
    EXPECT_EQ(all[i]->Get(), 1 << i);
  }
  EXPECT_EQ(DeviceReads(), reads);
}

// One that nobody asked for is given up before it has arrived.
TEST_P(PendingItemTest, MayBeGivenUp) {
  const Tensor x = Tensor::Full({}, 3.0, DType::kF64, GetParam()),
               y = Tensor::Full({}, 4.0, DType::kF64, GetParam());
  for (int i = 0; i < 100; ++i) PendingItem given_up(x);
  const PendingItem wanted(y);
  EXPECT_EQ(wanted.Get(), 4.0);
}

TEST(PendingItem, IsOneF64) {
  EXPECT_DEATH(PendingItem(Tensor::Full({2}, 0.0, DType::kF64)), "one f64 wanted, got f64 .2.");
  EXPECT_DEATH(PendingItem(Tensor::Full({}, 0.0, DType::kF32)), "one f64 wanted, got f32");
}

}  // namespace
}  // namespace palimpsest
