// Memory and copies on a GPU; and what there is without one.
#include <cmath>
#include <vector>

#include "core/allocator.h"
#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace palimpsest {
namespace {

class CudaMemory : public testing::Test {
 protected:
  void SetUp() override {
    if (!Allocator::Has(Device::kCuda)) GTEST_SKIP() << "there is no CUDA device";
  }
};

TEST_F(CudaMemory, CountsWhatLivesAndReusesWhatIsFreed) {
  Allocator& memory = Allocator::Of(Device::kCuda);
  const int64_t before = memory.stats().live_bytes;
  const void* first = nullptr;
  {
    const Tensor x = Tensor::Empty({1 << 20}, DType::kF32, Device::kCuda);
    first = x.raw();
    EXPECT_EQ(memory.stats().live_bytes - before, 4 << 20);
    EXPECT_GE(memory.stats().peak_bytes, memory.stats().live_bytes);
  }
  EXPECT_EQ(memory.stats().live_bytes, before);
  EXPECT_GE(memory.stats().cached_bytes, 4 << 20);
  EXPECT_EQ(Tensor::Empty({1 << 20}, DType::kF32, Device::kCuda).raw(), first);
  memory.Trim();
  EXPECT_EQ(memory.stats().cached_bytes, 0);
}

// Of another size, though the device may not be done with it. Half of the memory is left to others.
TEST_F(CudaMemory, WhatWasJustFreedIsThereForALargerTensor) {
  Allocator& memory = Allocator::Of(Device::kCuda);
  const int64_t limit = memory.limit(), tenth = limit / 20;
  memory.SetLimit(limit / 2);
  for (const int64_t tenths : {6, 7, 5, 8}) {
    const Tensor x = Tensor::Full({tenths * tenth / 2}, 1.0, DType::kBf16, Device::kCuda);
    EXPECT_EQ(x.Rows(0, 1).Item(), 1.0);
  }
  memory.Trim();
  memory.SetLimit(limit);
}

TEST_F(CudaMemory, CopiesThereAndBack) {
  for (int64_t n : {0, 1, 1000, 1 << 22}) {
    std::vector<float> values(n);
    for (int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(i % 1001);
    const Tensor x = Tensor::From<float>({n}, values);
    const Tensor there = CopyTo(x, Device::kCuda);
    EXPECT_EQ(there.device(), Device::kCuda);
    EXPECT_EQ(there.ToVector(), x.ToVector());
  }
}

TEST_F(CudaMemory, NewMemoryIsNaNWherePoisoned) {
  Allocator::Of(Device::kCuda).SetPoison(true);
  for (double v : Tensor::Empty({100}, DType::kF32, Device::kCuda).ToVector())
    EXPECT_TRUE(std::isnan(v));
  Allocator::Of(Device::kCuda).SetPoison(false);
}

TEST_F(CudaMemory, SaysWhatDidNotFit) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(Tensor::Empty({int64_t{1} << 50}, DType::kF32, Device::kCuda),
              testing::ExitedWithCode(1), "CUDA out of memory. Tried to allocate");
}

// A build with CUDA starts, and knows that there is no device, on a machine without one.
TEST(Cuda, IsThereWithItsMemoryOrSaysSo) {
  EXPECT_EQ(gemm.Has(Device::kCuda), PALIMPSEST_CUDA_BUILD);
  for (const bool has : {unary.Has(Device::kCuda), binary.Has(Device::kCuda),
                         where.Has(Device::kCuda), cast.Has(Device::kCuda)}) {
    EXPECT_EQ(has, PALIMPSEST_CUDA_BUILD);
  }
  if (Allocator::Has(Device::kCuda)) return;
  EXPECT_DEATH(Tensor::Empty({1}, DType::kF32, Device::kCuda),
               "no memory for device cuda in this build or on this machine");
}

}  // namespace
}  // namespace palimpsest
