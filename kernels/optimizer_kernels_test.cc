// Every optimizer kernel against its definition, in one table, on every device.
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/optimizer_kernel_rows.h"

namespace palimpsest {
namespace {

class OptimizerKernels : public testing::TestWithParam<std::tuple<Row, Device>> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(device())) GTEST_SKIP() << "there is no device " << device();
  }
  static const Row& row() { return std::get<Row>(GetParam()); }
  static Device device() { return std::get<Device>(GetParam()); }
  static std::vector<DType> DTypes() {
    if (!row().of_parameters) return {DType::kF64, DType::kF32};
    return {DType::kF64, DType::kF32, DType::kBf16};
  }
};
INSTANTIATE_TEST_SUITE_P(All, OptimizerKernels,
                         testing::Combine(testing::ValuesIn(Rows()),
                                          testing::Values(Device::kCpu, Device::kCuda,
                                                          Device::kSimulatedCuda)),
                         [](const auto& info) {
                           return std::get<Row>(info.param).name + "_" +
                                  testing::PrintToString(std::get<Device>(info.param));
                         });

struct Result {
  Tensors out;  // On the host.
  Tensor low;
  std::vector<double> sums;
};

struct Options {
  int64_t begin = 0, end = -1;  // Of the elements.
  bool in_place = false, reference = false;
  double grad_scale = 0.7;
};

Tensors Inputs(const Row& row, DType dtype, int64_t size) {
  constexpr int64_t kPeriod = 9973;  // Draws are slow.
  Tensors in;
  for (size_t i = 0; i < row.inputs; ++i) {
    const std::vector<double> draws =
        RandomNormal({kPeriod}, RandomStream(7, "x", i), DType::kF64).ToVector();
    std::vector<double> x(size);
    for (int64_t j = 0; j < size; ++j)
      x[j] = i < 2 ? draws[j % kPeriod] : std::abs(draws[j % kPeriod]);
    in.push_back(Tensor::FromVector({size}, x, i == 1 ? dtype : StateOf(dtype)));
  }
  return in;
}

Result RunOn(Device device, const Row& row, const Tensors& in, const Options& o = {}) {
  const int64_t end = o.end < 0 ? in[0].size() : o.end;
  Call call{device, in[1].dtype(), end - o.begin, {}, {}, nullptr, o.grad_scale, o.reference};
  if (o.reference) call.device = Device::kCpu;
  std::vector<Tensor> there;
  for (const Tensor& x : in) {
    there.push_back(Tensor::FromVector(x.shape(), x.ToVector(), x.dtype()));
    there.back() = CopyTo(there.back(), call.device);
    const auto offset = o.begin * static_cast<int64_t>(SizeOf(x.dtype()));
    call.in.push_back(static_cast<const char*>(there.back().raw()) + offset);
  }
  Result result;
  for (size_t place : row.in_place) {
    result.out.push_back(o.in_place ? there[place]
                                    : Tensor::Empty({call.size}, in[0].dtype(), call.device));
    call.out.push_back(result.out.back().mutable_raw());
  }
  if (call.dtype == DType::kBf16 && !row.in_place.empty() && row.in_place[0] == 0) {
    result.low = Tensor::Empty({call.size}, DType::kBf16, call.device);
    call.low = result.low.mutable_raw();
  }
  result.sums = row.run(call);
  for (Tensor& x : result.out) x = CopyTo(x, Device::kCpu);
  return result;
}

void ExpectSame(const Result& a, const Result& b) {
  EXPECT_EQ(a.sums, b.sums);
  for (size_t i = 0; i < a.out.size(); ++i)
    EXPECT_EQ(a.out[i].ToVector(), b.out[i].ToVector()) << i;
}

TEST_P(OptimizerKernels, IsItsDefinition) {
  for (DType dtype : DTypes()) {
    const double tolerance = dtype == DType::kF64 ? 1e-12 : 2e-6;
    for (int64_t size : {0, 1, 15, 17, 4096, 4097, 50001}) {
      const Tensors in = Inputs(row(), dtype, size);
      const Result got = RunOn(device(), row(), in),
                   want = RunOn(device(), row(), in, {.reference = true});
      for (size_t i = 0; i < want.sums.size(); ++i) {
        EXPECT_NEAR(got.sums[i], want.sums[i],
                    tolerance * (std::abs(want.sums[i]) + std::sqrt(size)))
            << dtype << " " << size << " sum " << i;
      }
      for (size_t i = 0; i < want.out.size(); ++i) {
        const std::vector<double> x = got.out[i].ToVector(), y = want.out[i].ToVector();
        for (int64_t j = 0; j < size; ++j)
          ASSERT_NEAR(x[j], y[j], tolerance * (1 + std::abs(y[j])))
              << dtype << " " << size << " " << j;
      }
      if (!got.low) continue;
      const std::vector<double> master = got.out[0].ToVector();
      EXPECT_EQ(got.low.ToVector(), Tensor::FromVector({size}, master, DType::kBf16).ToVector());
    }
  }
}

TEST_P(OptimizerKernels, SameBitsEachTimeForAnyNumberOfThreads) {
  const Tensors in =
      Inputs(row(), DType::kF32, device() == Device::kSimulatedCuda ? 40001 : 1100001);
  const int threads = NumThreads();
  SetNumThreads(1);
  const Result one = RunOn(device(), row(), in);
  SetNumThreads(3);
  const Result three = RunOn(device(), row(), in);
  SetNumThreads(threads);
  ExpectSame(one, three);
}

TEST_P(OptimizerKernels, AnElementIsTheSameWhereverItStands) {
  const Tensors in = Inputs(row(), DType::kF32, 5000);
  const Result all = RunOn(device(), row(), in),
               some = RunOn(device(), row(), in, {.begin = 13, .end = 4130});
  for (size_t i = 0; i < all.out.size(); ++i) {
    const std::vector<double> x = all.out[i].ToVector(), y = some.out[i].ToVector();
    EXPECT_EQ(std::vector<double>(x.begin() + 13, x.begin() + 4130), y) << i;
  }
}

TEST_P(OptimizerKernels, WorksInPlace) {
  for (DType dtype : DTypes()) {
    const Tensors in = Inputs(row(), dtype, 5001);
    ExpectSame(RunOn(device(), row(), in, {.in_place = true}), RunOn(device(), row(), in));
  }
}

TEST_P(OptimizerKernels, NaNShowsWhereItIsAndNowhereElse) {
  for (int64_t at : {3, 4097}) {
    Tensors in = Inputs(row(), DType::kF32, 4100);
    const Result clean = RunOn(device(), row(), in);
    in[1].mutable_data<float>()[at] = std::numeric_limits<float>::quiet_NaN();
    const Result got = RunOn(device(), row(), in);
    for (double sum : got.sums)
      EXPECT_TRUE(std::isnan(sum) || row().in_place.size() > 1);  // Or what is no sum.
    for (size_t i = 0; i < got.out.size(); ++i) {
      std::vector<double> x = got.out[i].ToVector(), y = clean.out[i].ToVector();
      EXPECT_TRUE(std::isnan(x[at])) << i;
      x[at] = y[at] = 0.0;
      EXPECT_EQ(x, y) << i;
    }
  }
}

TEST_P(OptimizerKernels, ChangesNothingWhereTheGradientsAreNotFinite) {
  if (!row().of_parameters) return;
  for (DType dtype : DTypes()) {
    const Tensors in = Inputs(row(), dtype, 4099);
    const Result got = RunOn(device(), row(), in, {.grad_scale = std::nan("")});
    for (size_t i = 0; i < got.out.size(); ++i)
      EXPECT_EQ(got.out[i].ToVector(), in[row().in_place[i]].ToVector()) << i;
    if (row().name != "am_adamw_step") continue;
    EXPECT_NEAR(got.sums[0], 0.4, 1e-7);
    EXPECT_NEAR(got.sums[1], 0.02, 1e-7);
  }
}

}  // namespace
}  // namespace palimpsest
