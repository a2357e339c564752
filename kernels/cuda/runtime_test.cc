// Memory and copies on a GPU; and what there is without one.
#include <cmath>
#include <vector>

#include "core/allocator.h"
#include "core/op_scope.h"
#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/device_testing.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace palimpsest {
namespace {

class CudaMemory : public DeviceTest {};
INSTANTIATE_TEST_SUITE_P(Devices, CudaMemory,
                         testing::Values(Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

TEST_P(CudaMemory, CountsWhatLivesAndReusesWhatIsFreed) {
  Allocator& memory = Allocator::Of(GetParam());
  const int64_t before = memory.stats().live_bytes;
  const void* first = nullptr;
  {
    const Tensor x = Tensor::Empty({1 << 20}, DType::kF32, GetParam());
    first = x.raw();
    EXPECT_EQ(memory.stats().live_bytes - before, 4 << 20);
    EXPECT_GE(memory.stats().peak_bytes, memory.stats().live_bytes);
  }
  EXPECT_EQ(memory.stats().live_bytes, before);
  EXPECT_GE(memory.stats().cached_bytes, 4 << 20);
  EXPECT_EQ(Tensor::Empty({1 << 20}, DType::kF32, GetParam()).raw(), first);
  memory.Trim();
  EXPECT_EQ(memory.stats().cached_bytes, 0);
}

// Of another size, though the device may not be done with it. Half of a GPU's memory is left to
// others, and most of the host's.
TEST_P(CudaMemory, WhatWasJustFreedIsThereForALargerTensor) {
  Allocator& memory = Allocator::Of(GetParam());
  const int64_t limit = memory.limit(),
                most = GetParam() == Device::kCuda ? limit / 2 : int64_t{1} << 29,
                tenth = most / 10;
  memory.SetLimit(most);
  for (const int64_t tenths : {6, 7, 5, 8}) {
    const Tensor x = Tensor::Full({tenths * tenth / 2}, 1.0, DType::kBf16, GetParam());
    EXPECT_EQ(x.Rows(0, 1).Item(), 1.0);
  }
  memory.Trim();
  memory.SetLimit(limit);
}

TEST_P(CudaMemory, CopiesThereAndBack) {
  for (int64_t n : {0, 1, 1000, 1 << 22}) {
    std::vector<float> values(n);
    for (int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(i % 1001);
    const Tensor x = Tensor::From<float>({n}, values);
    const Tensor there = CopyTo(x, GetParam());
    EXPECT_EQ(there.device(), GetParam());
    EXPECT_EQ(there.ToVector(), x.ToVector());
  }
}

TEST_P(CudaMemory, NewMemoryIsNaNWherePoisoned) {
  Allocator::Of(GetParam()).SetPoison(true);
  for (double v : Tensor::Empty({100}, DType::kF32, GetParam()).ToVector())
    EXPECT_TRUE(std::isnan(v));
  Allocator::Of(GetParam()).SetPoison(false);
}

TEST_P(CudaMemory, SaysWhatDidNotFit) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const Tensor live = Tensor::Empty({3, 1 << 20}, DType::kF32, GetParam());
  EXPECT_EXIT(
      {
        const OpScope scope("MatMul");
        Tensor::Empty({int64_t{1} << 50}, DType::kF32, GetParam());
      },
      testing::ExitedWithCode(1),
      "CUDA out of memory. Tried to allocate 4194304.00 GiB f32 .1125899906842624. by MatMul; "
      "capacity .* GiB, live 12.0 MiB, peak 12.0 MiB. Largest live tensors: 12.0 MiB f32 "
      ".3,1048576. by ");
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
