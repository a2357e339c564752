// The norm of many tensors, and updates of many at once, on every device.
#include "kernels/global_norm.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/allocator.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/adamw.h"
#include "kernels/am_mgd.h"
#include "kernels/sum_squares.h"

namespace palimpsest {
namespace {

class OverMany : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(GetParam())) GTEST_SKIP() << "there is no device " << GetParam();
  }
};
INSTANTIATE_TEST_SUITE_P(All, OverMany,
                         testing::Values(Device::kCpu, Device::kCuda, Device::kSimulatedCuda),
                         testing::PrintToStringParamName());

// More than a launch takes, of all dtypes, some empty, one of several blocks.
Tensors Many(Device device, uint64_t seed) {
  Tensors all;
  for (int i = 0; i < 600; ++i) {
    const DType dtype = i % 3 == 0 ? DType::kF64 : i % 3 == 1 ? DType::kF32 : DType::kBf16;
    const int64_t size = i == 40 ? 40003 : i % 7 * 11;
    all.push_back(CopyTo(RandomNormal({size}, RandomStream(seed, "x", i), dtype), device));
  }
  return all;
}

std::vector<double> SquaresOf(Device device, const Tensors& all) {
  std::vector<SumSquaresArgs> args;
  for (const Tensor& x : all) args.push_back({x.dtype(), x.size(), x.raw()});
  Tensor sums = Tensor::Empty({static_cast<int64_t>(all.size())}, DType::kF64, device);
  sum_squares(device, args, sums.mutable_data<double>());
  return sums.ToVector();
}

TEST_P(OverMany, SumsOfSquares) {
  const Tensors all = Many(GetParam(), 1);
  const std::vector<double> sums = SquaresOf(GetParam(), all);
  for (size_t i = 0; i < all.size(); ++i) {
    double want = 0.0;
    for (double x : all[i].ToVector()) want += x * x;
    EXPECT_NEAR(sums[i], want, 1e-12 * want) << i;
    EXPECT_EQ(SquaresOf(GetParam(), {all[i]})[0], sums[i]) << i;
  }
  EXPECT_EQ(SquaresOf(GetParam(), all), sums);
}

TEST_P(OverMany, SumsOfSquaresOverflowForNoF32AndShowWhatIsNotFinite) {
  std::vector<double> x(1000, 1e38);
  const auto sum = [&] {
    const Tensor here = Tensor::FromVector({1000}, x, DType::kF32);
    return SquaresOf(GetParam(), {CopyTo(here, GetParam())})[0];
  };
  EXPECT_NEAR(sum(), 1e79, 1e73);
  x[999] = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(std::isinf(sum()));
  x[0] = std::nan("");
  EXPECT_TRUE(std::isnan(sum()));
}

// norm, scale, skipped.
std::vector<double> NormOf(Device device, const std::vector<double>& squares, double max_norm) {
  const auto count = static_cast<int64_t>(squares.size());
  const Tensor x = CopyTo(Tensor::FromVector({count}, squares, DType::kF64), device),
               skipped = Tensor::Full({}, 3.0, DType::kF64, device);
  Tensor out = Tensor::Empty({3}, DType::kF64, device);
  double* to = out.mutable_data<double>();
  global_norm(device, {.count = count,
                       .squares = x.data<double>(),
                       .max_norm = max_norm,
                       .norm = to,
                       .scale = to + 1,
                       .skipped = skipped.data<double>(),
                       .skipped_out = to + 2});
  return out.ToVector();
}

TEST_P(OverMany, NormScalesDownToTheLargestAllowedAndNeverUp) {
  const auto expect = [](const std::vector<double>& got, double norm, double scale) {
    EXPECT_NEAR(got[0], norm, 1e-12 * norm);
    EXPECT_NEAR(got[1], scale, 1e-12);
    EXPECT_EQ(got[2], 3.0);
  };
  expect(NormOf(GetParam(), {9, 16}, 1.0), 5.0, 1.0 / (5.0 + 1e-6));
  expect(NormOf(GetParam(), {9, 16}, 10.0), 5.0, 1.0);
  expect(NormOf(GetParam(), {9, 16}, 0.0), 5.0, 1.0);
  expect(NormOf(GetParam(), {}, 1.0), 0.0, 1.0);
  expect(NormOf(GetParam(), std::vector<double>(1000, 4.0), 0.0), std::sqrt(4000.0), 1.0);
  for (double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const std::vector<double> got = NormOf(GetParam(), {1, bad, 1}, 1.0);
    EXPECT_FALSE(std::isfinite(got[0]));
    EXPECT_TRUE(std::isnan(got[1]));
    EXPECT_EQ(got[2], 4.0);
  }
}

TEST_P(OverMany, AStepIsNotMadeForItsLossNorAfterOneThatFailed) {
  const Tensor squares = Tensor::Full({2}, 1.0, DType::kF64, GetParam());
  // scale, failed.
  const auto run = [&](double loss, double failed_before) {
    const Tensor l = Tensor::Full({}, loss, DType::kF64, GetParam()),
                 failed = Tensor::Full({}, failed_before, DType::kF64, GetParam());
    Tensor out = Tensor::Empty({3}, DType::kF64, GetParam());
    double* to = out.mutable_data<double>();
    global_norm(GetParam(), {.count = 2,
                             .squares = squares.data<double>(),
                             .max_norm = 0.0,
                             .norm = to,
                             .scale = to + 1,
                             .loss = l.data<double>(),
                             .failed = failed.data<double>(),
                             .failed_out = to + 2});
    EXPECT_EQ(out.ToVector()[0], std::sqrt(2.0));
    return std::pair(out.ToVector()[1], out.ToVector()[2]);
  };
  EXPECT_EQ(run(2.0, 0.0), std::pair(1.0, 0.0));
  for (double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_TRUE(std::isnan(run(bad, 0.0).first));
    EXPECT_EQ(run(bad, 0.0).second, 1.0);
  }
  EXPECT_TRUE(std::isnan(run(2.0, 4.0).first));
  EXPECT_EQ(run(2.0, 4.0).second, 5.0);
}

// A parameter, its gradient and two states.
struct Param {
  explicit Param(const Tensor& grad)
      : grad(grad),
        dtype(grad.dtype() == DType::kF64 ? DType::kF64 : DType::kF32),
        param(Filled(0.5)),
        m(Filled(0.2)),
        v(Filled(0.1)) {}

  Tensor Filled(double value) const {
    return Tensor::Full(grad.shape(), value, dtype, grad.device());
  }
  ParamUpdate Update() {
    return {.dtype = grad.dtype(),
            .size = grad.size(),
            .param = param.raw(),
            .grad = grad.raw(),
            .param_out = param.mutable_raw(),
            .steps = 2.0};
  }
  AdamWArgs AdamW() {
    return {.update = Update(),
            .m = m.raw(),
            .v = v.raw(),
            .m_out = m.mutable_raw(),
            .v_out = v.mutable_raw(),
            .lr = 0.01,
            .beta1 = 0.9,
            .beta2 = 0.99,
            .eps = 1e-8,
            .weight_decay = 0.1};
  }

  Tensor grad;
  DType dtype;
  Tensor param, m, v;
};

TEST_P(OverMany, UpdatesAreThoseOfEachByItself) {
  std::vector<Param> together, alone;
  std::vector<AdamWArgs> all;
  for (const Tensor& grad : Many(GetParam(), 2))
    together.emplace_back(grad), alone.emplace_back(grad);
  for (Param& p : together) all.push_back(p.AdamW());
  adamw(GetParam(), all);
  for (size_t i = 0; i < alone.size(); ++i) {
    adamw(GetParam(), {alone[i].AdamW()});
    EXPECT_EQ(together[i].param.ToVector(), alone[i].param.ToVector()) << i;
    EXPECT_EQ(together[i].m.ToVector(), alone[i].m.ToVector()) << i;
    EXPECT_EQ(together[i].v.ToVector(), alone[i].v.ToVector()) << i;
  }
}

TEST_P(OverMany, TheTotalIsThatOfTheSums) {
  std::vector<Param> params;
  std::vector<AmMgdArgs> all;
  for (const Tensor& grad : Many(GetParam(), 3)) params.emplace_back(grad);
  for (Param& p : params)
    all.push_back({.update = p.Update(), .d = p.m.raw(), .weight_decay = 0.1, .lambda = 0.3});
  const auto count = static_cast<int64_t>(all.size());
  Tensor sums = Tensor::Empty({count, 2}, DType::kF64, GetParam()),
         total = Tensor::Empty({2}, DType::kF64, GetParam());
  am_mgd_sums(GetParam(), all, sums.mutable_data<double>(), total.mutable_data<double>());
  std::vector<double> want(2, 0.0);
  const std::vector<double> each = sums.ToVector(), got = total.ToVector();
  for (int64_t i = 0; i < 2 * count; ++i) want[i % 2] += each[i];
  for (int k = 0; k < 2; ++k) EXPECT_NEAR(got[k], want[k], 1e-12 * want[k]);
}

}  // namespace
}  // namespace palimpsest
