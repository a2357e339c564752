#include "program/rule_bench.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/functional/function_ref.h"
#include "conformance/problem.h"
#include "core/allocator.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/flop_count.h"

namespace palimpsest {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Until half a second has passed and it ran three times, unless that takes long.
Timing Time(absl::FunctionRef<void()> run) {
  constexpr double kEnough = 0.5, kLong = 2.0;
  constexpr size_t kRuns = 3;
  std::vector<double> seconds;
  for (double all = 0.0; all < kEnough || (seconds.size() < kRuns && all < kLong);
       all += seconds.back()) {
    const double begin = Seconds();
    run();
    seconds.push_back(Seconds() - begin);
  }
  std::sort(seconds.begin(), seconds.end());
  return {seconds[0], seconds[seconds.size() / 2], static_cast<int>(seconds.size())};
}

Problem MakeBench(const RuleConfig& rule, const ProblemSize& size, DType dtype,
                  Device device = Device::kCpu) {
  const bool mixed = dtype == DType::kBf16;
  Problem p = MakeProblem(rule, size).CastTo(mixed ? DType::kF32 : dtype);
  for (Tensor* x : {&p.seq.q, &p.seq.k, &p.seq.v}) *x = mixed ? Cast(*x, dtype) : *x;
  return p.CopyTo(device);
}

// A device computes in order: when there is one number of `x`, all is done.
void WaitFor(const Tensor& x) {
  if (x.device() != Device::kCpu && x.size() > 0) x.WithShape({x.size()}).Rows(0, 1).ToVector();
}

void Forward(const Problem& p, int64_t chunk) { WaitFor(RunForm(p, Form::kChunks, chunk)[0]); }

void ForwardBackward(const Problem& p, int64_t chunk, const Tensor& dy) {
  const Tensors inputs = p.Inputs();
  Tape tape;
  tape.Watch(inputs);
  WaitFor(tape.Gradient(RunForm(p, Form::kChunks, chunk)[0], inputs, dy).front());
}

Tensor Cotangent(const Problem& p) {
  Shape shape = p.seq.v.shape();
  shape[1] = p.seq.q.dim(1);
  return CopyTo(RandomNormal(shape, RandomStream(0, "dy"), p.seq.v.dtype()), p.seq.v.device());
}

}  // namespace

BenchResult BenchRule(const RuleConfig& rule, const BenchSize& n) {
  const Problem p =
      MakeBench(rule, {.batch = 1, .time = n.time, .heads = n.heads, .key = n.dim, .value = n.dim},
                n.dtype, n.device);
  const Tensor dy = Cotangent(p);
  BenchResult result;
  for (const Tensor& s : p.state) result.state_bytes += s.bytes();

  Allocator& allocator = Allocator::Of(n.device);
  const int64_t before = allocator.stats().live_bytes;
  allocator.ResetPeak();
  ForwardBackward(p, n.chunk, dy);  // Warms up, too.
  result.peak_bytes = allocator.stats().peak_bytes - before;

  result.forward = Time([&] { Forward(p, n.chunk); });
  result.both = Time([&] { ForwardBackward(p, n.chunk, dy); });
  return result;
}

TokenFlops CountFlops(const RuleConfig& rule, int64_t key, int64_t value, int64_t chunk) {
  const Problem p = MakeBench(
      rule, {.batch = 1, .time = chunk, .heads = 1, .key = key, .value = value}, DType::kF32);
  const ComposedScope composed;
  const FlopCount forward;
  Forward(p, chunk);
  const auto tokens = static_cast<double>(chunk);
  const double once = static_cast<double>(forward.flops()) / tokens;
  const FlopCount both;
  ForwardBackward(p, chunk, Cotangent(p));
  return {once, static_cast<double>(both.flops()) / tokens};
}

}  // namespace palimpsest
