// Optimizer kernels on the largest and smallest numbers, and on none.
#include <vector>

#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/am_mgd.h"
#include "kernels/lion.h"

namespace palimpsest {
namespace {

TEST(AmMgdSumsKernel, OverflowsAndUnderflowsForNoF32) {
  for (double size : {1e38, 1e-38}) {
    const Tensor g = Tensor::Full({1000}, size, DType::kF32),
                 d = Tensor::Full({1000}, 0.0, DType::kF32);
    const AmMgdSums sums = am_mgd_sums(
        Device::kCpu,
        {.dtype = DType::kF32, .size = 1000, .param = nullptr, .grad = g.raw(), .d = d.raw()});
    EXPECT_NEAR(sums.g2 / (1000 * size * size), 1.0, 1e-6);
    EXPECT_EQ(sums.gap2, sums.g2);
  }
}

TEST(LionKernel, DoesNotStepWhereThereIsNoSign) {
  const Tensor zero = Tensor::Full({20}, 0.0, DType::kF32);
  Tensor param = Tensor::Full({20}, 0.5, DType::kF32), m = Tensor::Full({20}, 0.0, DType::kF32);
  lion(Device::kCpu, {.dtype = DType::kF32,
                      .size = 20,
                      .param = param.raw(),
                      .grad = zero.raw(),
                      .m = m.raw(),
                      .param_out = param.mutable_raw(),
                      .m_out = m.mutable_raw(),
                      .lr = 1.0,
                      .beta1 = 0.9,
                      .beta2 = 0.99});
  EXPECT_EQ(param.ToVector(), std::vector<double>(20, 0.5));
}

}  // namespace
}  // namespace palimpsest
