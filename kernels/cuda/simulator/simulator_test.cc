// What the simulator must notice, so that a kernel that passes on it may be believed.
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <set>
#include <vector>

#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/simulator/watch.h"
#include "kernels/device/shared.cuh"

namespace palimpsest {
namespace {

constexpr Device kDevice = Device::kSimulatedCuda;
constexpr unsigned kThreads = 96;

Tensor Zeros(int64_t n) { return Tensor::Full({n}, 0.0, DType::kI32, kDevice); }

class SimulatorDeathTest : public testing::Test {
 protected:
  void SetUp() override { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

// What threads that do not wait for each other do comes out now so, now so; ThreadSanitizer names
// it.
void ExpectRace(const std::function<std::vector<double>()>& run) {
  if (simulator::kWatched) {
    constexpr int kReported = 66;
    EXPECT_EXIT((run(), std::exit(0)), testing::ExitedWithCode(kReported), "data race");
  } else {
    std::set<std::vector<double>> seen;
    for (int i = 0; i < 20; ++i) seen.insert(run());
    EXPECT_GT(seen.size(), 1u);
  }
}

// y[i] = the thread i's neighbour, through shared memory, with or without a barrier between.
void Neighbour(int32_t* y, bool waits) {
  auto* shared = device::SharedMemory<int32_t>();
  shared[threadIdx.x] = static_cast<int32_t>(threadIdx.x);
  if (waits) __syncthreads();
  y[threadIdx.x] = shared[(threadIdx.x + 1) % blockDim.x];
}

std::vector<double> RunNeighbour(bool waits) {
  Tensor y = Zeros(kThreads);
  Launch(Neighbour, 1, kThreads, kThreads * sizeof(int32_t), y.mutable_data<int32_t>(), waits);
  return y.ToVector();
}

TEST_F(SimulatorDeathTest, ABarrierIsWaitedForAndAMissingOneShows) {
  const std::vector<double> y = RunNeighbour(true);
  for (unsigned i = 0; i < kThreads; ++i) EXPECT_EQ(y[i], (i + 1) % kThreads);
  ExpectRace([] { return RunNeighbour(false); });
}

// y[i] = a thread of the other warp, where only each warp has waited for itself.
void OtherWarp(int32_t* y) {
  auto* shared = device::SharedMemory<int32_t>();
  shared[threadIdx.x] = static_cast<int32_t>(threadIdx.x);
  __syncwarp();
  y[threadIdx.x] = shared[(threadIdx.x + 32) % 64];
}

TEST_F(SimulatorDeathTest, AWarpMayRunAheadOfAnother) {
  ExpectRace([] {
    Tensor y = Zeros(64);
    Launch(OtherWarp, 1, 64, 64 * sizeof(int32_t), y.mutable_data<int32_t>());
    return y.ToVector();
  });
}

TEST_F(SimulatorDeathTest, BlocksDoNotWaitForEachOther) {
  ExpectRace([] {
    Tensor y = Zeros(1);
    Launch(
        +[](int32_t* at) { *at = static_cast<int32_t>(blockIdx.x); }, 5, 1, 0,
        y.mutable_data<int32_t>());
    return y.ToVector();
  });
}

TEST(Simulator, BlocksRunInNoOrder) {
  const auto order = [] {
    Tensor y = Zeros(101);
    Launch(
        +[](int32_t* at) { at[1 + atomicAdd(&at[0], 1)] = static_cast<int32_t>(blockIdx.x); },
        dim3(5, 4, 5), 1, 0, y.mutable_data<int32_t>());
    return y.ToVector();
  };
  const std::vector<double> first = order();
  EXPECT_EQ(first[0], 100.0);
  EXPECT_NE(first, order());
}

TEST(Simulator, LanesExchange) {
  Tensor y = Zeros(5 * 64);
  Launch(
      +[](int32_t* out) {
        const int lane = static_cast<int>(threadIdx.x), n = static_cast<int>(blockDim.x);
        int sum = lane;
        for (int by = 16; by > 0; by /= 2) sum += __shfl_xor_sync(~0u, sum, by);
        out[lane] = sum;
        out[n + lane] = __shfl_down_sync(~0u, lane, 3);
        out[2 * n + lane] = __shfl_up_sync(~0u, lane, 3);
        out[3 * n + lane] = __shfl_sync(~0u, lane, 7);
        out[4 * n + lane] = static_cast<int>(__ballot_sync(~0u, lane % 3 == 0));
      },
      1, 64, 0, y.mutable_data<int32_t>());
  const std::vector<double> out = y.ToVector();
  for (int i = 0; i < 64; ++i) {
    uint32_t threes = 0;
    for (int j = 0; j < 32; ++j) threes |= ((i / 32 * 32 + j) % 3 == 0 ? 1u : 0u) << j;
    EXPECT_EQ(out[i], i < 32 ? 496 : 496 + 1024);
    EXPECT_EQ(out[64 + i], i % 32 < 29 ? i + 3 : i);
    EXPECT_EQ(out[128 + i], i % 32 >= 3 ? i - 3 : i);
    EXPECT_EQ(out[192 + i], i / 32 * 32 + 7);
    EXPECT_EQ(out[256 + i], static_cast<int32_t>(threes));
  }
}

TEST_F(SimulatorDeathTest, TheHostMayNotTouchDeviceMemory) {
  EXPECT_DEATH(
      {
        const Tensor y = Zeros(3);
        (void)*const_cast<volatile const int32_t*>(y.data<int32_t>());
      },
      "the host touched memory of a CUDA device");
}

TEST_F(SimulatorDeathTest, AKernelMayNotBeGivenHostMemory) {
  int32_t here = 0;
  EXPECT_DEATH(Launch(
                   +[](int32_t* at) { *at = 1; }, 1, 1, 0, &here),
               "a kernel was given a pointer to the host's memory");
}

TEST_F(SimulatorDeathTest, WritesPastTheEndAreNoticed) {
  EXPECT_DEATH(
      {
        Tensor y = Zeros(16);
        Launch(
            +[](int32_t* at) { at[16] = 1; }, 1, 1, 0, y.mutable_data<int32_t>());
      },
      "wrote past the end of an allocation");
}

TEST_F(SimulatorDeathTest, SharedMemoryEndsWhereItsSizeSays) {
  EXPECT_DEATH(Launch(
                   +[] { device::SharedMemory<volatile int32_t>()[32] = 1; }, 1, 1, 128),
               "");
}

TEST_F(SimulatorDeathTest, AllThreadsComeToABarrier) {
  EXPECT_DEATH(Launch(
                   +[] {
                     if (threadIdx.x == 0) return;
                     __syncthreads();
                   },
                   1, 2, 0),
               "different barriers|came to a barrier");
  EXPECT_DEATH(Launch(
                   +[] {
                     if (threadIdx.x < 32) {
                       __syncthreads();
                     } else {
                       __syncwarp();
                     }
                   },
                   1, 64, 0),
               "different barriers|came to a barrier");
}

TEST_F(SimulatorDeathTest, AGridThatNoDeviceTakesIsRefused) {
  EXPECT_DEATH(Launch(
                   +[] {}, dim3(1, 65536), 1, 0),
               "launch of .* with grid \\[1,65536,1\\]");
  EXPECT_DEATH(Launch(
                   +[] {}, 1, 1025, 0),
               "block \\[1025,1,1\\]");
  EXPECT_DEATH(Launch(
                   +[] {}, 1, 1, 233000),
               "233000 bytes of shared memory");
  Launch(
      +[] {}, 0, 1, 0);
}

}  // namespace
}  // namespace palimpsest
