#include "core/allocator.h"

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <thread>
#include <vector>

#include "core/op_scope.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

Tensor MiB(double n, DType dtype = DType::kF32) {
  return Tensor::Empty({static_cast<int64_t>(n * kMiB / SizeOf(dtype))}, dtype);
}

class AllocatorTest : public testing::Test {
 protected:
  AllocatorTest() { memory_.Trim(), memory_.ResetPeak(); }
  Allocator& memory_ = Allocator::Of(Device::kCpu);
  const MemoryStats before_ = memory_.stats();
};

TEST_F(AllocatorTest, CountsLivePeakAndCached) {
  {
    const Tensor a = MiB(4);
    const Tensor view = a.Rows(0, 10);
    EXPECT_EQ(memory_.stats().live_bytes - before_.live_bytes, 4 * kMiB);
    const Tensor b = MiB(2);
    EXPECT_EQ(memory_.stats().live_bytes - before_.live_bytes, 6 * kMiB);
  }
  MemoryStats after = memory_.stats();
  EXPECT_EQ(after.live_bytes, before_.live_bytes);
  EXPECT_EQ(after.peak_bytes - before_.live_bytes, 6 * kMiB);
  EXPECT_EQ(after.cached_bytes, 6 * kMiB);
  memory_.ResetPeak();
  memory_.Trim();
  after = memory_.stats();
  EXPECT_EQ(after.peak_bytes, before_.live_bytes);
  EXPECT_EQ(after.cached_bytes, 0);
}

TEST_F(AllocatorTest, APoolKeepsItsBlocksToItself) {
  MemoryPool pool;
  memory_.UsePool(&pool);
  Tensor kept = MiB(1);
  { const Tensor freed = MiB(1); }
  memory_.UsePool(nullptr);
  const Tensor other = MiB(1);
  EXPECT_EQ(pool.free.at(kMiB).size(), 1);
  memory_.Trim();
  EXPECT_EQ(memory_.stats().cached_bytes, kMiB);
  kept = {};
  EXPECT_EQ(pool.free.at(kMiB).size(), 2);
  memory_.UsePool(&pool);
  Tensor outlives = MiB(1);
  memory_.UsePool(nullptr);
  memory_.Release(&pool);
  outlives = {};
  EXPECT_EQ(memory_.stats().cached_bytes, 2 * kMiB);
  memory_.Trim();
  EXPECT_EQ(memory_.stats().cached_bytes, 0);
}

TEST_F(AllocatorTest, ReusesABlockOfTheSameBucket) {
  std::optional<Tensor> a = Tensor::Empty({1000}, DType::kF32);
  const void* data = a->raw();
  a.reset();
  const Tensor b = Tensor::Empty({990}, DType::kF32);
  EXPECT_EQ(b.raw(), data);
}

TEST_F(AllocatorTest, CountsWhatItAsksTheDeviceFor) {
  { const Tensor a = MiB(1), b = MiB(1); }
  EXPECT_EQ(memory_.stats().requests - before_.requests, 2);
  { const Tensor a = MiB(1), b = MiB(1); }
  EXPECT_EQ(memory_.stats().requests - before_.requests, 2);
  const Tensor a = MiB(1), b = MiB(1), c = MiB(1);
  EXPECT_EQ(memory_.stats().requests - before_.requests, 3);
}

TEST_F(AllocatorTest, BucketsWasteAtMostAQuarter) {
  for (int64_t bytes = 1; bytes < 100000; bytes = bytes * 9 / 8 + 1) {
    const int64_t live = memory_.stats().live_bytes;
    const Tensor x = Tensor::Empty({bytes / 4 + 1}, DType::kF32);
    const int64_t capacity = memory_.stats().live_bytes - live;
    EXPECT_GE(capacity, x.bytes());
    EXPECT_LE(capacity, std::max<int64_t>(64, x.bytes() * 5 / 4)) << x;
  }
}

TEST_F(AllocatorTest, MemoryIsAligned) {
  for (const int64_t n : {0, 1, 17, 1000, 600000}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(Tensor::Empty({n}, DType::kF64).raw()) % 64, 0u) << n;
  }
}

TEST_F(AllocatorTest, PoisonIsNan) {
  memory_.SetPoison(true);
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    for (const double v : Tensor::Empty({100}, dtype).ToVector())
      ASSERT_TRUE(std::isnan(v)) << dtype;
  }
  memory_.SetPoison(false);
}

TEST_F(AllocatorTest, ThreadsShareIt) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 2000; ++i) {
        Tensor x = Tensor::Full({1 + (i * 37 + t) % 500}, t, DType::kF32);
        ASSERT_EQ(x.ToVector().back(), t);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(memory_.stats().live_bytes, before_.live_bytes);
}

TEST_F(AllocatorTest, CachedMemoryGivesWayBeforeTheLimit) {
  const int64_t limit = before_.live_bytes + 10 * kMiB;
  memory_.SetLimit(limit);
  MiB(6);
  const Tensor x = MiB(7);
  EXPECT_LE(memory_.stats().live_bytes + memory_.stats().cached_bytes, limit);
  memory_.SetLimit(int64_t{1} << 50);
}

using AllocatorDeathTest = AllocatorTest;

// Ends the process after printing the error, as a job does.
void RunOut(Allocator& memory, int64_t limit) {
  SetOutOfMemoryHandler([](const absl::Status& status) {
    std::cerr << "handled: " << status << std::endl;
    std::_Exit(7);
  });
  memory.SetLimit(limit);
  Tensors live;
  {
    const OpScope scope("load");
    for (const double n : {1.0, 6.0, 0.5, 3.0, 4.0, 2.0, 5.0}) live.push_back(MiB(n));
  }
  const OpScope scope("matmul");
  MiB(30, DType::kF64);
}

TEST_F(AllocatorDeathTest, TheReportNamesOpSizeAndTheFiveLargest) {
  SetNumThreads(1);
  const int64_t limit = before_.live_bytes + 24 * kMiB;
  EXPECT_EXIT(
      RunOut(memory_, limit), testing::ExitedWithCode(7),
      "handled: RESOURCE_EXHAUSTED: CPU out of memory. Tried to allocate 30.0 MiB f64 "
      "\\[3932160\\] by matmul; capacity 2[0-9.]+ MiB, live 2[0-9.]+ MiB, peak 2[0-9.]+ MiB. "
      "Largest live tensors: "
      "6.0 MiB f32 \\[1572864\\] by load; 5.0 MiB [^;]*; 4.0 MiB [^;]*; 3.0 MiB [^;]*; 2.0 MiB "
      "f32 \\[524288\\] by load. Lower the batch");
}

TEST_F(AllocatorDeathTest, ByDefaultItEndsTheProcessWithTheReport) {
  SetNumThreads(1);
  EXPECT_EXIT(Tensor::Empty({int64_t{1} << 50}, DType::kF32), testing::ExitedWithCode(1),
              "out of memory. Tried to allocate");
  EXPECT_DEATH(Tensor::Empty({int64_t{1} << 61}, DType::kF64), "too many bytes");
  EXPECT_DEATH(Tensor::Empty({(int64_t{1} << 60) - 1}, DType::kF64), "too many bytes");
}

}  // namespace
}  // namespace palimpsest
