// Every optimizer kernel against its definition, in one table.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"
#include "core/tensor.h"
#include "gtest/gtest.h"
#include "kernels/adamw.h"
#include "kernels/am_adamw.h"
#include "kernels/am_mgd.h"
#include "kernels/ema.h"
#include "kernels/lion.h"
#include "kernels/rms_step.h"
#include "kernels/sgd.h"

namespace palimpsest {
namespace {

// Tensors of a kernel. Input 0 is the parameter, 1 the gradient; those from 2 on are state, none
// negative.
struct Call {
  DType dtype;
  int64_t size;
  std::vector<const void*> in;
  std::vector<void*> out;
};

struct Row {
  std::string name;
  size_t inputs;
  std::vector<size_t> in_place;  // The input that each output may be.
  // What is returned: sums.
  std::function<std::vector<double>(const Call&, bool reference)> run;
};

template <typename Args>
std::vector<double> Run(const Kernel<void(const Args&)>& kernel, void (*definition)(const Args&),
                        const Args& args, bool reference) {
  reference ? definition(args) : kernel(Device::kCpu, args);
  return {};
}

std::vector<double> AdamW(const Call& c, bool reference) {
  return Run(adamw, AdamWReference,
             {.dtype = c.dtype,
              .size = c.size,
              .param = c.in[0],
              .grad = c.in[1],
              .m = c.in[2],
              .v = c.in[3],
              .param_out = c.out[0],
              .m_out = c.out[1],
              .v_out = c.out[2],
              .lr = 0.03,
              .beta1 = 0.9,
              .beta2 = 0.95,
              .eps = 1e-6,
              .weight_decay = 0.1,
              .grad_scale = 0.7,
              .t = 3},
             reference);
}

Row Sgd(const std::string& name, bool momentum, bool lookahead, double weight_decay) {
  const auto run = [=](const Call& c, bool reference) {
    return Run(sgd, SgdReference,
               {.dtype = c.dtype,
                .size = c.size,
                .param = c.in[0],
                .grad = c.in[1],
                .m = momentum ? c.in[2] : nullptr,
                .param_out = c.out[0],
                .m_out = momentum ? c.out[1] : nullptr,
                .lr = 0.03,
                .keep = 0.9,
                .write = 0.6,
                .weight_decay = weight_decay,
                .grad_scale = 0.7,
                .lookahead = lookahead},
               reference);
  };
  if (momentum) return {name, 3, {0, 2}, run};
  return {name, 2, {0}, run};
}

Row Ema(const std::string& name, bool read, bool lookahead) {
  const auto run = [=](const Call& c, bool reference) {
    return Run(ema, EmaReference,
               {.dtype = c.dtype,
                .size = c.size,
                .m = c.in[0],
                .grad = c.in[1],
                .m_out = c.out[0],
                .read = read ? c.out[1] : nullptr,
                .keep = 0.9,
                .write = -0.2,
                .grad_scale = 0.7,
                .read_scale = 1.3,
                .lookahead = lookahead},
               reference);
  };
  if (read) return {name, 2, {0, 1}, run};
  return {name, 2, {0}, run};
}

std::vector<double> Lion(const Call& c, bool reference) {
  return Run(lion, LionReference,
             {.dtype = c.dtype,
              .size = c.size,
              .param = c.in[0],
              .grad = c.in[1],
              .m = c.in[2],
              .param_out = c.out[0],
              .m_out = c.out[1],
              .lr = 0.03,
              .beta1 = 0.9,
              .beta2 = 0.99,
              .weight_decay = 0.1,
              .grad_scale = 0.7},
             reference);
}

std::vector<double> RmsStep(const Call& c, bool reference) {
  return Run(rms_step, RmsStepReference,
             {.dtype = c.dtype,
              .size = c.size,
              .param = c.in[0],
              .u = c.in[2],
              .x = c.in[1],
              .v = c.in[3],
              .param_out = c.out[0],
              .v_out = c.out[1],
              .keep_param = 0.99,
              .step = 0.03,
              .keep_v = 0.9,
              .write_v = 0.2,
              .x_scale = 0.7,
              .root_scale = 1.1,
              .eps = 1e-6},
             reference);
}

std::vector<double> AmMgd(const Call& c, bool reference, double weight_decay) {
  const AmMgdArgs args{.dtype = c.dtype,
                       .size = c.size,
                       .param = c.in[0],
                       .grad = c.in[1],
                       .d = c.in[2],
                       .weight_decay = weight_decay,
                       .grad_scale = 0.7};
  const AmMgdSums sums = reference ? AmMgdSumsReference(args) : am_mgd_sums(Device::kCpu, args);
  return {sums.g2, sums.gap2};
}

AmAdamWArgs AmAdamWOf(const Call& c) {
  return {.dtype = c.dtype,
          .size = c.size,
          .param = c.in[0],
          .grad = c.in[1],
          .d = c.in[2],
          .v = c.in[3],
          .param_out = c.out[0],
          .d_out = c.out.back(),
          .v_out = c.out[0],
          .beta2 = 0.95,
          .eps = 1e-6,
          .lambda = 0.1,
          .weight_decay = 0.1,
          .grad_scale = 0.7,
          .correction = 0.6,
          .t = 3};
}

std::vector<double> AmAdamWSumsOf(const Call& c, bool reference) {
  const AmAdamWArgs args = AmAdamWOf(c);
  const AmAdamWSums sums =
      reference ? AmAdamWSumsReference(args) : am_adamw_sums(Device::kCpu, args);
  return {sums.gap, sums.slope, sums.param_slope, sums.curvature};
}

std::vector<double> AmAdamWStepOf(const Call& c, bool reference) {
  const AmAdamWStep step{.lr = 0.03, .beta = 0.4};
  if (reference) {
    AmAdamWReference(AmAdamWOf(c), step);
  } else {
    am_adamw(Device::kCpu, AmAdamWOf(c), step);
  }
  return {};
}

const std::vector<Row>& Rows() {
  static const auto* rows = new std::vector<Row>{
      {"adamw", 4, {0, 2, 3}, AdamW},
      Sgd("sgd", false, false, 0.1),
      Sgd("sgd_momentum", true, false, 0.0),
      Sgd("sgd_nesterov", true, true, 0.1),
      Ema("ema", false, false),
      Ema("ema_read", true, false),
      Ema("ema_ahead", true, true),
      {"lion", 3, {0, 2}, Lion},
      {"rms_step", 4, {0, 3}, RmsStep},
      {"am_mgd_sums", 3, {}, [](const Call& c, bool r) { return AmMgd(c, r, 0.0); }},
      {"am_mgd_sums_decay", 3, {}, [](const Call& c, bool r) { return AmMgd(c, r, 0.1); }},
      {"am_adamw_sums", 4, {3}, AmAdamWSumsOf},
      {"am_adamw_step", 4, {0, 2}, AmAdamWStepOf},
  };
  return *rows;
}

class OptimizerKernels : public testing::TestWithParam<Row> {};
INSTANTIATE_TEST_SUITE_P(All, OptimizerKernels, testing::ValuesIn(Rows()),
                         [](const auto& info) { return info.param.name; });

struct Result {
  Tensors out;
  std::vector<double> sums;
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
    in.push_back(Tensor::FromVector({size}, x, dtype));
  }
  return in;
}

// Elements [begin, end) of what `in` holds.
Result RunOn(const Row& row, const Tensors& in, int64_t begin, int64_t end, bool reference) {
  Call call{in[0].dtype(), end - begin, {}, {}};
  const auto offset = begin * static_cast<int64_t>(SizeOf(call.dtype));
  for (const Tensor& x : in) call.in.push_back(static_cast<const char*>(x.raw()) + offset);
  Result result;
  for (size_t i = 0; i < row.in_place.size(); ++i) {
    result.out.push_back(Tensor::Full({call.size}, 0.0, call.dtype));
    call.out.push_back(result.out.back().mutable_raw());
  }
  result.sums = row.run(call, reference);
  return result;
}
Result RunOn(const Row& row, const Tensors& in, bool reference = false) {
  return RunOn(row, in, 0, in[0].size(), reference);
}

void ExpectSame(const Result& a, const Result& b) {
  EXPECT_EQ(a.sums, b.sums);
  for (size_t i = 0; i < a.out.size(); ++i)
    EXPECT_EQ(a.out[i].ToVector(), b.out[i].ToVector()) << i;
}

TEST_P(OptimizerKernels, IsItsDefinition) {
  for (const auto& [dtype, tolerance] :
       {std::pair(DType::kF64, 1e-12), std::pair(DType::kF32, 2e-6)}) {
    for (int64_t size : {0, 1, 15, 17, 4096, 4097, 50001}) {
      const Tensors in = Inputs(GetParam(), dtype, size);
      const Result got = RunOn(GetParam(), in), want = RunOn(GetParam(), in, true);
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
    }
  }
}

TEST_P(OptimizerKernels, SameBitsForAnyNumberOfThreads) {
  const Tensors in = Inputs(GetParam(), DType::kF32, 1100001);
  const int threads = NumThreads();
  SetNumThreads(1);
  const Result one = RunOn(GetParam(), in);
  SetNumThreads(3);
  const Result three = RunOn(GetParam(), in);
  SetNumThreads(threads);
  ExpectSame(one, three);
}

TEST_P(OptimizerKernels, AnElementIsTheSameWhereverItStands) {
  const Tensors in = Inputs(GetParam(), DType::kF32, 5000);
  const Result all = RunOn(GetParam(), in), some = RunOn(GetParam(), in, 13, 4130, false);
  for (size_t i = 0; i < all.out.size(); ++i) {
    const std::vector<double> x = all.out[i].ToVector(), y = some.out[i].ToVector();
    EXPECT_EQ(std::vector<double>(x.begin() + 13, x.begin() + 4130), y) << i;
  }
}

TEST_P(OptimizerKernels, WorksInPlace) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Result want = RunOn(GetParam(), Inputs(GetParam(), dtype, 5001));
    Tensors in = Inputs(GetParam(), dtype, 5001);
    Call call{dtype, 5001, {}, {}};
    for (const Tensor& x : in) call.in.push_back(x.raw());
    Result got;
    for (size_t place : GetParam().in_place) {
      call.out.push_back(in[place].mutable_raw());
      got.out.push_back(in[place]);
    }
    got.sums = GetParam().run(call, false);
    EXPECT_EQ(got.sums, want.sums);
    for (size_t i = 0; i < got.out.size(); ++i)
      EXPECT_EQ(got.out[i].ToVector(), want.out[i].ToVector()) << i;
  }
}

TEST_P(OptimizerKernels, NaNShowsWhereItIsAndNowhereElse) {
  for (int64_t at : {3, 4097}) {
    Tensors in = Inputs(GetParam(), DType::kF32, 4100);
    const Result clean = RunOn(GetParam(), in);
    in[1].mutable_data<float>()[at] = std::numeric_limits<float>::quiet_NaN();
    const Result got = RunOn(GetParam(), in);
    for (double sum : got.sums) EXPECT_TRUE(std::isnan(sum));
    for (size_t i = 0; i < GetParam().in_place.size(); ++i) {
      std::vector<double> x = got.out[i].ToVector(), y = clean.out[i].ToVector();
      EXPECT_TRUE(std::isnan(x[at])) << i;
      x[at] = y[at] = 0.0;
      EXPECT_EQ(x, y) << i;
    }
  }
}

}  // namespace
}  // namespace palimpsest
