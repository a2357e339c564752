// cuDNN itself, without a GPU: it recognises the graphs of attention, and compiles kernels of its
// fused attention for them, for an H200.
#include <dlfcn.h>

#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "kernels/cuda/cudnn_attention.h"

namespace palimpsest {
namespace {

constexpr char kH200[] = R"({
  "deviceName": "NVIDIA H200", "deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0,
  "pciDeviceId": 0, "isTccDriver": 0, "supportCoopLaunch": 1, "multiProcessorCount": 132,
  "warpSize": 32, "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64],
  "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "maxCtasPerSM": 32, "regsPerBlock": 65536,
  "maxRegistersPerSM": 65536, "maxSharedMemoryPerBlock": 49152,
  "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
  "l2CacheSize": 62914560, "totalGlobalMem": 150000000000, "smClockRateKHz": 1980000,
  "memClockRateKHz": 3201000})";

class CudnnPlan : public testing::Test {
 protected:
  static void* Driver() {
    static void* driver = dlopen("kernels/cuda/libpretend_driver.so", RTLD_NOW | RTLD_GLOBAL);
    return driver;
  }
  void SetUp() override {
    ASSERT_NE(Driver(), nullptr) << dlerror();
    if (!Cudnn::Present()) GTEST_SKIP() << "there is no cuDNN";
  }

  // The plan's workspace; its kernel is one of fused attention.
  static int64_t Build(const CudnnAttentionProblem& p) {
    CudnnDescriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    device.SetAll(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, sizeof(kH200) - 1,
                  kH200);
    device.Finalize();
    std::ostringstream what;
    what << p;
    const auto plan = CudnnAttentionGraph(p).Build(nullptr, &device, what.str());
    const std::string kernel = *static_cast<const char**>(dlsym(Driver(), "pretend_driver_kernel"));
    const char* expected = p.backward ? "sm90_flash_bprop" : "flash_fprop";
    EXPECT_NE(kernel.find(expected), std::string::npos) << kernel << " for " << what.str();
    return plan->workspace_bytes();
  }
};

struct Case {
  int64_t time, source, heads, kv_heads, key, value, window;
};

// One of each class of problem.
const Case kCases[] = {
    {128, 128, 4, 4, 64, 64, 0},   {2048, 2048, 8, 8, 128, 128, 0},
    {512, 512, 4, 1, 256, 256, 0},  // Heads share keys.
    {100, 100, 4, 2, 64, 64, 17},   // A window; odd lengths.
    {16, 77, 2, 2, 128, 64, 0},     // After earlier keys.
    {37, 165, 4, 2, 72, 8, 30},    {257, 1000, 3, 3, 192, 128, 64},
};

TEST_F(CudnnPlan, IsFoundForEveryClassOfProblem) {
  for (const Case& c : kCases) {
    for (const bool backward : {false, true}) {
      Build({.backward = backward,
             .batch = 2,
             .time = c.time,
             .source = c.source,
             .heads = c.heads,
             .kv_heads = c.kv_heads,
             .row_heads = c.heads,
             .row_kv_heads = c.kv_heads,
             .key = c.key,
             .value = c.value,
             .window = c.window,
             .scale = 0.125f});
    }
  }
}

// The part of a slice, of heads that are not all.
TEST_F(CudnnPlan, OfSomeHeadsNeedsTheWorkspaceOfThose) {
  const int64_t bytes = Build({.backward = true,
                               .batch = 1,
                               .time = 1024,
                               .source = 1024,
                               .heads = 4,
                               .kv_heads = 2,
                               .row_heads = 32,
                               .row_kv_heads = 16,
                               .key = 128,
                               .value = 128,
                               .window = 0,
                               .scale = 0.125f});
  EXPECT_GE(bytes, 4 * 1024 * 1024 * 2);  // dS, so that dq is no sum of atomics.
  EXPECT_LT(bytes, 3 * 4 * 1024 * 1024 * 2);
}

}  // namespace
}  // namespace palimpsest
