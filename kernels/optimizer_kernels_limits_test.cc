// Optimizer kernels on the largest and smallest numbers, and on none.
#include <vector>

#include "core/allocator.h"
#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/am_mgd.h"
#include "kernels/lion.h"

namespace palimpsest {
namespace {

class OptimizerKernelLimits : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
  }
  static Tensor Filled(int64_t size, double value) {
    return Tensor::Full({size}, value, DType::kF32, GetParam());
  }
};
INSTANTIATE_TEST_SUITE_P(All, OptimizerKernelLimits,
                         testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

TEST_P(OptimizerKernelLimits, AmMgdSumsOverflowAndUnderflowForNoF32) {
  for (double size : {1e38, 1e-38}) {
    const Tensor g = Filled(1000, size), d = Filled(1000, 0.0);
    const ParamUpdate update{.dtype = DType::kF32,
                             .size = 1000,
                             .param = nullptr,
                             .grad = g.raw(),
                             .param_out = nullptr};
    Tensor sums = Tensor::Empty({2}, DType::kF64, GetParam());
    am_mgd_sums(GetParam(), {{.update = update, .d = d.raw()}}, sums.mutable_data<double>(),
                nullptr);
    const std::vector<double> got = sums.ToVector();
    EXPECT_NEAR(got[0] / (1000 * size * size), 1.0, 1e-6);
    EXPECT_EQ(got[0], got[1]);
  }
}

TEST_P(OptimizerKernelLimits, LionDoesNotStepWhereThereIsNoSign) {
  const Tensor zero = Filled(20, 0.0);
  Tensor param = Filled(20, 0.5), m = Filled(20, 0.0);
  const ParamUpdate update{.dtype = DType::kF32,
                           .size = 20,
                           .param = param.raw(),
                           .grad = zero.raw(),
                           .param_out = param.mutable_raw()};
  lion(GetParam(), {{.update = update,
                     .m = m.raw(),
                     .m_out = m.mutable_raw(),
                     .lr = 1.0,
                     .beta1 = 0.9,
                     .beta2 = 0.99}});
  EXPECT_EQ(param.ToVector(), std::vector<double>(20, 0.5));
}

}  // namespace
}  // namespace palimpsest
