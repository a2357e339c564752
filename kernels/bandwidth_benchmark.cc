// Kernels on 64 MB of f32 against memcpy of the same, on as many threads, in the same run.
// `of_copy` is the ratio of bytes read and written a second, both at their best; `two_over_one` the
// speed-up by a second thread.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>

#include "benchmark/benchmark.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/elementwise.h"
#include "kernels/norm.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"

namespace palimpsest {
namespace {

constexpr int64_t kRows = 16384, kWidth = 1024, kSize = kRows * kWidth;
constexpr double kBytes = kSize * sizeof(float);
constexpr auto kCpu = Device::kCpu;

struct Buffers {
  Tensor a = Tensor::Full({kSize}, 0.5, DType::kF32), b = Tensor::Full({kSize}, 1.5, DType::kF32);
  Tensor out = Tensor::Full({kSize}, 0.0, DType::kF32);
};

Buffers& TheBuffers() {
  static auto* buffers = new Buffers;
  return *buffers;
}

double Seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Copy() {
  Buffers& m = TheBuffers();
  const char* from = static_cast<const char*>(m.a.raw());
  char* to = static_cast<char*>(m.out.mutable_raw());
  ParallelFor(m.a.bytes(), int64_t{1} << 20, [&](int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, end - begin);
  });
}

// `passes`: buffers of 64 MB read or written.
void Measure(benchmark::State& state, double passes, const std::function<void()>& kernel) {
  TheBuffers();
  double copy = 1e9, one = 1e9, two = 1e9;
  for (auto _ : state) {
    SetNumThreads(1);
    one = std::min(one, Seconds(kernel));
    SetNumThreads(2);
    Copy();
    copy = std::min(copy, Seconds(Copy));
    const double seconds = Seconds(kernel);
    two = std::min(two, seconds);
    state.SetIterationTime(seconds);
  }
  state.counters["GB/s"] = passes * kBytes / two * 1e-9;
  state.counters["of_copy"] = passes * copy / (2.0 * two);
  state.counters["two_over_one"] = one / two;
}

// What the machine's memory gives one thread and two: the limit of all that follows.
void CopyOf(benchmark::State& state) { Measure(state, 2, Copy); }

void Unary(benchmark::State& state, UnaryOp op) {
  Buffers& m = TheBuffers();
  Measure(state, 2, [&] {
    unary(kCpu, {op, DType::kF32, kSize, m.a.raw(), m.out.mutable_raw(), 2.0});
  });
}

// b with the given strides; [kRows, kWidth] unless it is dense.
void Binary(benchmark::State& state, BinaryOp op, int64_t row_stride, int64_t column_stride) {
  Buffers& m = TheBuffers();
  const bool dense = row_stride == kWidth;
  BinaryArgs args{.op = op,
                  .dtype = DType::kF32,
                  .rank = 2,
                  .shape = {kRows, kWidth},
                  .a_strides = {kWidth, 1},
                  .b_strides = {row_stride, column_stride},
                  .a = m.a.raw(),
                  .b = m.b.raw(),
                  .out = m.out.mutable_raw()};
  if (dense) args.rank = 1, args.shape[0] = kSize, args.a_strides[0] = args.b_strides[0] = 1;
  Measure(state, dense ? 3 : 2, [&] { binary(kCpu, args); });
}

void Reduction(benchmark::State& state, ReduceOp op, int64_t outer, int64_t n, int64_t inner) {
  Buffers& m = TheBuffers();
  Measure(state, 1, [&] {
    reduce(kCpu, {op, DType::kF32, outer, n, inner, m.a.raw(), m.out.mutable_raw()});
  });
}

void SoftmaxOf(benchmark::State& state, bool log) {
  Buffers& m = TheBuffers();
  Measure(state, 2, [&] {
    softmax(kCpu, {log, DType::kF32, kRows, kWidth, m.a.raw(), m.out.mutable_raw()});
  });
}

void SoftmaxGrad(benchmark::State& state, bool log) {
  Buffers& m = TheBuffers();
  Measure(state, 3, [&] {
    softmax_grad(kCpu,
                 {log, DType::kF32, kRows, kWidth, m.a.raw(), m.b.raw(), m.out.mutable_raw()});
  });
}

NormArgs ArgsOfNorm(bool centered) {
  Buffers& m = TheBuffers();
  return {.centered = centered,
          .scale = 1.0 / kWidth,
          .eps = 1e-6,
          .dtype = DType::kF32,
          .rows = kRows,
          .n = kWidth,
          .x = m.a.raw(),
          .weight = m.b.raw(),
          .bias = centered ? m.b.raw() : nullptr,
          .y = m.out.mutable_raw()};
}

void Norm(benchmark::State& state, bool centered) {
  const NormArgs args = ArgsOfNorm(centered);
  Measure(state, 2, [&] { norm(kCpu, args); });
}

void NormGrad(benchmark::State& state, bool centered) {
  Buffers& m = TheBuffers();
  Tensor dweight = Tensor::Empty({kWidth}, DType::kF32),
         dbias = Tensor::Empty({kWidth}, DType::kF32);
  const NormGradArgs args{.forward = ArgsOfNorm(centered),
                          .dy = m.b.raw(),
                          .dx = m.out.mutable_raw(),
                          .dweight = dweight.mutable_raw(),
                          .dbias = centered ? dbias.mutable_raw() : nullptr};
  Measure(state, 3, [&] { norm_grad(kCpu, args); });
}

#define PALIMPSEST_BANDWIDTH(function, name, ...) \
  BENCHMARK_CAPTURE(function, name, __VA_ARGS__)  \
      ->UseManualTime()                           \
      ->Iterations(12)                            \
      ->Unit(benchmark::kMillisecond)

BENCHMARK(CopyOf)
    ->Name("Copy/memcpy")
    ->UseManualTime()
    ->Iterations(12)
    ->Unit(benchmark::kMillisecond);
PALIMPSEST_BANDWIDTH(Unary, mul_constant, UnaryOp::kMulConstant);
PALIMPSEST_BANDWIDTH(Unary, exp, UnaryOp::kExp);
PALIMPSEST_BANDWIDTH(Unary, log, UnaryOp::kLog);
PALIMPSEST_BANDWIDTH(Unary, tanh, UnaryOp::kTanh);
PALIMPSEST_BANDWIDTH(Unary, sigmoid, UnaryOp::kSigmoid);
PALIMPSEST_BANDWIDTH(Unary, silu, UnaryOp::kSilu);
PALIMPSEST_BANDWIDTH(Unary, gelu, UnaryOp::kGelu);
PALIMPSEST_BANDWIDTH(Unary, softplus, UnaryOp::kSoftplus);
PALIMPSEST_BANDWIDTH(Binary, add, BinaryOp::kAdd, kWidth, 1);
PALIMPSEST_BANDWIDTH(Binary, mul, BinaryOp::kMul, kWidth, 1);
PALIMPSEST_BANDWIDTH(Binary, mul_row, BinaryOp::kMul, 0, 1);
PALIMPSEST_BANDWIDTH(Binary, mul_column, BinaryOp::kMul, 1, 0);
PALIMPSEST_BANDWIDTH(Binary, silu_grad, BinaryOp::kSiluGrad, kWidth, 1);
PALIMPSEST_BANDWIDTH(Binary, gelu_grad, BinaryOp::kGeluGrad, kWidth, 1);
PALIMPSEST_BANDWIDTH(Reduction, sum_all, ReduceOp::kSum, 1, kSize, 1);
PALIMPSEST_BANDWIDTH(Reduction, sum_rows, ReduceOp::kSum, kRows, kWidth, 1);
PALIMPSEST_BANDWIDTH(Reduction, sum_columns, ReduceOp::kSum, 1, kRows, kWidth);
PALIMPSEST_BANDWIDTH(Reduction, sum_narrow, ReduceOp::kSum, 1, kSize / 4, 4);
PALIMPSEST_BANDWIDTH(Reduction, max_rows, ReduceOp::kMax, kRows, kWidth, 1);
PALIMPSEST_BANDWIDTH(SoftmaxOf, softmax, false);
PALIMPSEST_BANDWIDTH(SoftmaxOf, log_softmax, true);
PALIMPSEST_BANDWIDTH(SoftmaxGrad, softmax, false);
PALIMPSEST_BANDWIDTH(SoftmaxGrad, log_softmax, true);
PALIMPSEST_BANDWIDTH(Norm, rms_norm, false);
PALIMPSEST_BANDWIDTH(Norm, layer_norm, true);
PALIMPSEST_BANDWIDTH(NormGrad, rms_norm, false);
PALIMPSEST_BANDWIDTH(NormGrad, layer_norm, true);

}  // namespace
}  // namespace palimpsest
