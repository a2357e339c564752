// Every rule on a device: what it makes of a sequence, and the gradients, against the CPU in f64.
#include <string>
#include <tuple>
#include <vector>

#include "conformance/gradients.h"
#include "conformance/problem.h"
#include "core/allocator.h"
#include "gtest/gtest.h"
#include "tests/rule_rows.h"

namespace palimpsest {
namespace {

constexpr ProblemSize kSize = {.batch = 1, .time = 11, .heads = 2, .key = 4, .value = 3};
constexpr int64_t kChunk = 4;

class RuleOnDevice : public testing::TestWithParam<std::tuple<RuleConfig, Device>> {
 protected:
  void SetUp() override {
    if (!Allocator::Has(device_)) GTEST_SKIP() << "there is no device " << device_;
  }
  const RuleConfig& rule_ = std::get<RuleConfig>(GetParam());
  const Device device_ = std::get<Device>(GetParam());
};

Function Scanning(const Problem& p, Form form) {
  return [=](const Tensors& inputs) { return RunForm(p.With(inputs), form, kChunk); };
}

// The outputs and the gradients of the inputs, made where `p` is.
Tensors Everything(const Problem& p, Form form, const Tensors& dys) {
  const Function f = Scanning(p, form);
  Tensors all = f(p.Inputs()), there;
  for (const Tensor& dy : dys) there.push_back(CopyTo(dy, p.seq.q.device()));
  for (const Tensor& dx : Gradients(f, p.Inputs(), there)) all.push_back(dx);
  return all;
}

// Relative, in f64: the order of sums differs, and rules that take steps of Newton-Schulz (atlas)
// amplify it.
constexpr double kBound = 1e-10;

TEST_P(RuleOnDevice, DoesWhatTheCpuDoes) {
  const Problem p = MakeProblem(rule_, kSize);
  const Tensors dys = RandomLike(RunForm(p, Form::kChunks, kChunk), 1);
  for (const Form form : kForms) {
    const Tensors want = Everything(p, form, dys);
    const Tensors got = Everything(p.CopyTo(device_), form, dys);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].device(), device_) << NameOf(form) << " " << i;
      EXPECT_LT(Distance(CopyTo(got[i], Device::kCpu), want[i]), kBound)
          << NameOf(form) << " " << i;
    }
  }
}

TEST_P(RuleOnDevice, PacksSequences) {
  Problem p = MakeProblem(rule_, {.batch = 1, .time = 9, .heads = 2});
  p.state = MakeProblem(rule_, {.batch = 3, .time = 1, .heads = 2}).state;
  p.seq.cu_seqlens = Tensor::From<int32_t>({4}, {0, 5, 5, 9});
  const Tensors want = RunForm(p, Form::kChunks, kChunk);
  const Tensors got = RunForm(p.CopyTo(device_), Form::kChunks, kChunk);
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_LT(Distance(CopyTo(got[i], Device::kCpu), want[i]), kBound) << i;
}

INSTANTIATE_TEST_SUITE_P(Rules, RuleOnDevice,
                         testing::Combine(testing::ValuesIn(SuiteRows()),
                                          testing::Values(Device::kCuda, Device::kSimulatedCuda)),
                         [](const auto& info) {
                           return RowName(std::get<RuleConfig>(info.param)) + "_" +
                                  testing::PrintToString(std::get<Device>(info.param));
                         });

}  // namespace
}  // namespace palimpsest
