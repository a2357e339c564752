// Each optimizer's kernels on one parameter of f32, in place, against memcpy of the same tensor on
// as many threads in the same run. `of_copy` is the ratio of bytes read and written a second, both
// at their best; `two_over_one` the speed-up by a second thread.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>

#include "benchmark/benchmark.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/adamw.h"
#include "kernels/am_adamw.h"
#include "kernels/am_mgd.h"
#include "kernels/ema.h"
#include "kernels/lion.h"
#include "kernels/rms_step.h"
#include "kernels/sgd.h"
#include "kernels/sum_squares.h"

namespace palimpsest {
namespace {

constexpr auto kCpu = Device::kCpu;
constexpr auto kF32 = DType::kF32;

struct Buffers {
  explicit Buffers(int64_t size) : size(size) {}

  Tensor Filled(double value) const { return Tensor::Full({size}, value, kF32); }

  const int64_t size;
  Tensor param = Filled(0.5), grad = Filled(0.01), m = Filled(0.02), v = Filled(0.03);
  void *p = param.mutable_raw(), *g = grad.mutable_raw(), *d = m.mutable_raw(),
       *s = v.mutable_raw();
};

Buffers& BuffersOf(int64_t size) {
  static auto* buffers = new std::map<int64_t, Buffers>;
  return buffers->try_emplace(size, size).first->second;
}

double Seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// `passes`: tensors read or written.
void Measure(benchmark::State& state, double passes, void (*kernel)(const Buffers&)) {
  const Buffers& b = BuffersOf(state.range(0) << 20);
  const auto copy = [&] {
    ParallelFor(b.param.bytes(), int64_t{1} << 20, [&](int64_t begin, int64_t end) {
      std::memcpy(static_cast<char*>(b.s) + begin, static_cast<char*>(b.g) + begin, end - begin);
    });
  };
  const auto run = [&] { kernel(b); };
  double copied = 1e9, one = 1e9, two = 1e9;
  for (auto _ : state) {
    SetNumThreads(1);
    one = std::min(one, Seconds(run));
    SetNumThreads(2);
    run();
    const double seconds = Seconds(run);
    two = std::min(two, seconds);
    copied = std::min(copied, Seconds(copy));
    state.SetIterationTime(seconds);
  }
  const double bytes = static_cast<double>(b.param.bytes());
  state.counters["GB/s"] = passes * bytes / two * 1e-9;
  state.counters["copy_GB/s"] = 2 * bytes / copied * 1e-9;
  state.counters["of_copy"] = passes * copied / (2.0 * two);
  state.counters["two_over_one"] = one / two;
}

ParamUpdate UpdateOf(const Buffers& b) {
  return {
      .dtype = kF32, .size = b.size, .param = b.p, .grad = b.g, .param_out = b.p, .steps = 10.0};
}

void AdamW(const Buffers& b) {
  adamw(kCpu, {{.update = UpdateOf(b),
                .m = b.d,
                .v = b.s,
                .m_out = b.d,
                .v_out = b.s,
                .lr = 1e-4,
                .beta1 = 0.9,
                .beta2 = 0.999,
                .eps = 1e-8,
                .weight_decay = 0.01}});
}

SgdArgs SgdOf(const Buffers& b, bool momentum) {
  return {.update = UpdateOf(b),
          .m = momentum ? b.d : nullptr,
          .m_out = momentum ? b.d : nullptr,
          .lr = 1e-4,
          .keep = 0.9,
          .weight_decay = 0.01};
}
void Sgd(const Buffers& b) { sgd(kCpu, {SgdOf(b, false)}); }
void SgdMomentum(const Buffers& b) { sgd(kCpu, {SgdOf(b, true)}); }

void Nesterov(const Buffers& b) {
  SgdArgs args = SgdOf(b, true);
  args.lookahead = true;
  sgd(kCpu, {args});
}

// The weights, a memory of the steps taken.
void Step(const Buffers& b) {
  ema(kCpu, {.dtype = kF32,
             .size = b.size,
             .m = b.p,
             .grad = b.g,
             .m_out = b.p,
             .keep = 0.999,
             .write = -1e-4});
}

void EmaRead(const Buffers& b) {
  ema(kCpu, {.dtype = kF32,
             .size = b.size,
             .m = b.d,
             .grad = b.g,
             .m_out = b.d,
             .read = b.s,
             .keep = 0.9,
             .write = 0.1,
             .lookahead = true});
}

void Lion(const Buffers& b) {
  lion(kCpu, {{.update = UpdateOf(b),
               .m = b.d,
               .m_out = b.d,
               .lr = 1e-4,
               .beta1 = 0.9,
               .beta2 = 0.99,
               .weight_decay = 0.01}});
}

void RmsStep(const Buffers& b) {
  rms_step(kCpu, {.dtype = kF32,
                  .size = b.size,
                  .param = b.p,
                  .u = b.d,
                  .x = b.g,
                  .v = b.s,
                  .param_out = b.p,
                  .v_out = b.s,
                  .keep_param = 0.999,
                  .step = 1e-4,
                  .keep_v = 0.999,
                  .write_v = 0.001,
                  .eps = 1e-8});
}

void AmMgdSumsOf(const Buffers& b) {
  double sums[2];
  am_mgd_sums(kCpu, {{.update = UpdateOf(b), .d = b.d}}, sums, nullptr);
  benchmark::DoNotOptimize(sums);
}

AmAdamWArgs AmAdamWOf(const Buffers& b, const float* product, float* out, const double* sums) {
  return {.update = UpdateOf(b),
          .d = b.d,
          .v = b.s,
          .d_out = b.d,
          .v_out = b.s,
          .product = product,
          .lr_before = product,
          .product_out = out,
          .lr_out = out + 1,
          .lr = 1e-4,
          .beta_max = 0.9,
          .beta2 = 0.999,
          .eps = 1e-8,
          .lambda = 0.1,
          .weight_decay = 0.01,
          .sums = sums};
}
void AmAdamWSumsOf(const Buffers& b) {
  const float product = 0.1f;
  float out[2];
  double sums[4];
  am_adamw_sums(kCpu, {AmAdamWOf(b, &product, out, nullptr)}, sums);
  benchmark::DoNotOptimize(sums);
}
void AmAdamWStepOf(const Buffers& b) {
  const float product = 0.1f;
  const double sums[4] = {1.0, 0.0, 0.0, 2.0};
  float out[2];
  am_adamw(kCpu, {AmAdamWOf(b, &product, out, sums)});
}

void SumSquares(const Buffers& b) {
  double sum;
  sum_squares(kCpu, {{.dtype = kF32, .size = b.size, .x = b.g}}, &sum);
  benchmark::DoNotOptimize(sum);
}

#define PALIMPSEST_BANDWIDTH(name, passes, kernel) \
  BENCHMARK_CAPTURE(Measure, name, passes, kernel) \
      ->Arg(8)                                     \
      ->Arg(24)                                    \
      ->ArgName("Mi")                              \
      ->UseManualTime()                            \
      ->Iterations(12)                             \
      ->Unit(benchmark::kMillisecond)

PALIMPSEST_BANDWIDTH(adamw, 7, AdamW);
PALIMPSEST_BANDWIDTH(sgd, 3, Sgd);
PALIMPSEST_BANDWIDTH(sgd_momentum, 5, SgdMomentum);
PALIMPSEST_BANDWIDTH(sgd_nesterov, 5, Nesterov);
PALIMPSEST_BANDWIDTH(lion, 5, Lion);
PALIMPSEST_BANDWIDTH(ema_step, 3, Step);
PALIMPSEST_BANDWIDTH(ema_read, 4, EmaRead);
PALIMPSEST_BANDWIDTH(rms_step, 6, RmsStep);
PALIMPSEST_BANDWIDTH(am_mgd_sums, 2, AmMgdSumsOf);
PALIMPSEST_BANDWIDTH(am_adamw_sums, 5, AmAdamWSumsOf);
PALIMPSEST_BANDWIDTH(am_adamw_step, 6, AmAdamWStepOf);
PALIMPSEST_BANDWIDTH(sum_squares, 1, SumSquares);

}  // namespace
}  // namespace palimpsest
