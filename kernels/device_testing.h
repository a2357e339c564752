#ifndef KERNELS_DEVICE_TESTING_H_
#define KERNELS_DEVICE_TESTING_H_

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "gtest/gtest.h"

namespace palimpsest {

// A suite that runs on each device; where there is none, it skips.
class DeviceTest : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override;
};

#define PALIMPSEST_ON_EACH_DEVICE(suite)                                                         \
  INSTANTIATE_TEST_SUITE_P(Devices, suite,                                                       \
                           testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda), \
                           testing::PrintToStringParamName())

// What a kernel makes of tensors of one device, which are where the first is.
using KernelCall = std::function<Tensors(const Tensors& in)>;

struct DeviceCheck {
  std::vector<DType> dtypes = {DType::kF64, DType::kF32, DType::kBf16};
  double tolerance = 1.0;      // Times that of the dtype, relative to 1 + |result|.
  std::vector<int> wide = {};  // Inputs that are f32 where the others are bf16.
};

// Runs `call` on `device` twice, on the float inputs (f64, of the CPU) rounded to each dtype, and
// expects what the CPU makes of the same numbers in f64; the second time to the last bit.
void ExpectAsInF64(const std::string& what, Device device, const Tensors& in,
                   const KernelCall& call, const DeviceCheck& check = {});

// x in another dtype; normal numbers, and integers in [0, n).
Tensor Rounded(const Tensor& x, DType dtype);
Tensor Normals(Shape shape, uint64_t seed, double stddev = 1.0);
Tensor Integers(Shape shape, int64_t n, uint64_t seed, DType dtype = DType::kI64);
// For a result.
Tensor EmptyAs(const Tensor& x, Shape shape);
Tensor EmptyAs(const Tensor& x);
// x [1 + n] without its first element: not aligned to packs.
Tensor Misaligned(const Tensor& x, Shape shape);

}  // namespace palimpsest

#endif  // KERNELS_DEVICE_TESTING_H_
