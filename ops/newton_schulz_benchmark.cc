// Five Newton-Schulz steps on the matrices of a model of width 384, in f32. Ratios of the least
// times of one run: `vs_ops` to the same in ops, `vs_full` to whole matrix products in ops.
// `gflops` counts the whole products, as if all were computed; `gemm_gflops` is what one of them
// runs at.

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <vector>

#include "benchmark/benchmark.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/newton_schulz.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

constexpr int kSteps = 5;

Tensor WholeProducts(const Tensor& m, const std::vector<QuinticStep>& steps) {
  const bool tall = m.dim(-2) > m.dim(-1);
  Tensor x = Div(m, Norm(m, {-2, -1}, /*keep=*/true));
  for (const QuinticStep& step : steps) {
    const Tensor gram = MatMul(x, x, {.a = tall, .b = !tall});
    const Tensor poly = Add(Mul(gram, step.b), Mul(MatMul(gram, gram), step.c));
    x = Add(Mul(x, step.a), tall ? MatMul(x, poly) : MatMul(poly, x));
  }
  return x;
}

double Seconds(const std::function<void()>& f) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void FiveSteps(benchmark::State& state, NewtonSchulzTable table, DType dtype) {
  const int64_t batch = state.range(0), rows = state.range(1), cols = state.range(2);
  SetNumThreads(static_cast<int>(state.range(3)));
  const Tensor m = RandomNormal({batch, rows, cols}, RandomStream(1, "m"), DType::kF32);
  const std::vector<QuinticStep> steps = NewtonSchulzSteps(table, kSteps);
  const auto orthogonal = [&] { Cast(NewtonSchulz(Cast(m, dtype), steps), m.dtype()); };
  const Tensor square = Gram(m, rows > cols);
  double ours = std::numeric_limits<double>::infinity(), ops = ours, full = ours, gemm = ours;
  for (auto _ : state) {
    const double now = Seconds(orthogonal);
    state.SetIterationTime(now);
    ours = std::min(ours, now);
    full = std::min(full, Seconds([&] { WholeProducts(m, steps); }));
    gemm = std::min(gemm, Seconds([&] { rows > cols ? MatMul(m, square) : MatMul(square, m); }));
    const ComposedScope composed;
    ops = std::min(ops, Seconds(orthogonal));
  }
  const auto side = static_cast<double>(std::min(rows, cols));
  const double product = 2e-9 * static_cast<double>(batch * rows * cols) * side;
  const double square_product = 2e-9 * static_cast<double>(batch) * side * side * side;
  state.counters["vs_ops"] = ops / ours;
  state.counters["vs_full"] = full / ours;
  state.counters["gflops"] = kSteps * (2 * product + square_product) / ours;
  state.counters["gemm_gflops"] = product / gemm;
}

void Shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"batch", "rows", "cols", "threads"})
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(10);
  for (const int64_t threads : {1, 2}) {
    b->Args({1, 384, 384, threads})->Args({4, 384, 384, threads});
    b->Args({1, 1024, 384, threads})->Args({1, 384, 1024, threads});
    b->Args({24, 384, 384, threads})->Args({1024, 32, 32, threads});
    b->Args({1024, 16, 64, threads});
  }
}

BENCHMARK_CAPTURE(FiveSteps, jordan, NewtonSchulzTable::kJordan, DType::kF32)->Apply(Shapes);
BENCHMARK_CAPTURE(FiveSteps, jordan_bf16, NewtonSchulzTable::kJordan, DType::kBf16)->Apply(Shapes);
BENCHMARK_CAPTURE(FiveSteps, polar_express, NewtonSchulzTable::kPolarExpress, DType::kF32)
    ->Apply(Shapes);

}  // namespace
}  // namespace palimpsest
