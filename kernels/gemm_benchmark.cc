// Matrix products against oneDNN called directly with as many threads of its own, and symmetric
// ones against whole ones, and sums made by the product against a pass of their own. `vs_onednn`,
// `vs_full` and `vs_pass` are ratios of the best times of one run: above 1, ours, the symmetric one
// and the product's sum are faster.

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>
#include <tuple>

#include "benchmark/benchmark.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tensor.h"
#include "dnnl.hpp"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace palimpsest {
namespace {

// oneDNN's own product of row-major matrices, made once.
class Direct {
 public:
  Direct(const Tensor& a, const Tensor& b, Tensor& c)
      : a_(Wrap(a, a.raw())), b_(Wrap(b, b.raw())), c_(Wrap(c, c.mutable_raw())) {
#if DNNL_VERSION_MAJOR >= 3
    product_ = dnnl::matmul({engine_, a_.get_desc(), b_.get_desc(), c_.get_desc()});
#else
    product_ = dnnl::matmul({{a_.get_desc(), b_.get_desc(), c_.get_desc()}, engine_});
#endif
  }
  void Run() {
    product_.execute(stream_, {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, c_}});
    stream_.wait();
  }

 private:
  dnnl::memory Wrap(const Tensor& x, const void* data) {
    const auto type =
        x.dtype() == DType::kF32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
    return {{{x.dim(0), x.dim(1)}, type, dnnl::memory::format_tag::ab},
            engine_,
            const_cast<void*>(data)};
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::memory a_, b_, c_;
  dnnl::matmul product_;
};

using Clock = std::chrono::steady_clock;

// The least time of some calls. First waits until OpenMP's threads no longer spin: they would take
// the cores from ours.
template <typename F>
double BestSeconds(int calls, F f) {
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  f();
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < calls; ++i) {
    const auto start = Clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

void AgainstOnednn(benchmark::State& state, DType dtype) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  SetNumThreads(static_cast<int>(state.range(3)));
  omp_set_num_threads(static_cast<int>(state.range(3)));
  const Tensor a = RandomNormal({m, k}, RandomStream(1, "a"), dtype);
  const Tensor b = RandomNormal({k, n}, RandomStream(1, "b"), dtype);
  Tensor c = Tensor::Empty({m, n}, dtype), direct_c = Tensor::Empty({m, n}, dtype);
  GemmArgs args;
  args.m = m, args.n = n, args.k = k;
  args.a = {a.raw(), k}, args.b = {b.raw(), n}, args.c = {c.mutable_raw(), n};
  args.dtype = args.out = dtype;
  Direct direct(a, b, direct_c);
  const int calls =
      static_cast<int>(std::clamp<int64_t>((int64_t{1} << 31) / (m * n * k), 2, 1000));
  double ours = std::numeric_limits<double>::infinity(), theirs = ours;
  for (auto _ : state) {
    const double best = BestSeconds(calls, [&] { gemm(Device::kCpu, args); });
    state.SetIterationTime(best);
    ours = std::min(ours, best);
    theirs = std::min(theirs, BestSeconds(calls, [&] { direct.Run(); }));
  }
  const double work = 2e-9 * static_cast<double>(m * n * k);
  state.counters["gflops"] = work / ours;
  state.counters["onednn_gflops"] = work / theirs;
  state.counters["vs_onednn"] = theirs / ours;
}

void Shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "threads"})
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond)
      ->Iterations(5);
  for (const int64_t threads : {1, 2}) {
    for (const auto& [m, n, k] : {std::tuple{1024, 1024, 1024},
                                  {4096, 768, 768},
                                  {768, 768, 4096},
                                  {256, 256, 256},
                                  {64, 64, 64},
                                  {1, 768, 768},
                                  {100, 100, 100},
                                  {768, 4, 768}}) {
      b->Args({m, n, k, threads});
    }
  }
}

// x x^T of [n, k], or x^T x of [k, n].
void SymmetricAgainstFull(benchmark::State& state, DType dtype, bool columns) {
  const int64_t n = state.range(0), k = state.range(1);
  SetNumThreads(static_cast<int>(state.range(2)));
  const int64_t rows = columns ? k : n, cols = columns ? n : k;
  const Tensor x = RandomNormal({rows, cols}, RandomStream(1, "x"), dtype);
  Tensor c = Tensor::Empty({n, n}, dtype);
  GemmArgs full{.m = n, .n = n, .k = k, .trans_a = columns, .trans_b = !columns};
  full.a = full.b = {x.raw(), cols}, full.c = {c.mutable_raw(), n};
  full.dtype = full.out = dtype;
  GemmArgs symmetric = full;
  symmetric.symmetric = true;
  const int calls =
      static_cast<int>(std::clamp<int64_t>((int64_t{1} << 30) / (n * n * k), 2, 1000));
  double half = std::numeric_limits<double>::infinity(), whole = half;
  for (auto _ : state) {
    const double best = BestSeconds(calls, [&] { gemm(Device::kCpu, symmetric); });
    state.SetIterationTime(best);
    half = std::min(half, best);
    whole = std::min(whole, BestSeconds(calls, [&] { gemm(Device::kCpu, full); }));
  }
  state.counters["full_gflops"] = 2e-9 * static_cast<double>(n * n * k) / whole;
  state.counters["vs_full"] = whole / half;
}

void SymmetricShapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"n", "k", "threads"})
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond)
      ->Iterations(5)
      ->ArgsProduct({{16, 64, 100, 384, 1024}, {64, 384, 1024, 2048}, {1, 2}});
}

// dx += dy W of a linear layer: the gradient of what several layers read.
void OntoAgainstPass(benchmark::State& state, DType dtype) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  SetNumThreads(static_cast<int>(state.range(3)));
  const Tensor a = RandomNormal({m, k}, RandomStream(1, "a"), dtype);
  const Tensor b = RandomNormal({k, n}, RandomStream(1, "b"), dtype, 1e-6);
  Tensor sum = Tensor::Full({m, n}, 0.0, dtype), dx = Tensor::Empty({m, n}, dtype);
  GemmArgs product{.m = m, .n = n, .k = k, .a = {a.raw(), k}, .b = {b.raw(), n}};
  product.c = {dx.mutable_raw(), n}, product.dtype = product.out = dtype;
  GemmArgs onto = product;
  onto.c.data = sum.mutable_raw(), onto.add = sum.raw();
  const BinaryArgs pass{.op = BinaryOp::kAdd,
                        .dtype = dtype,
                        .rank = 1,
                        .shape = {m * n},
                        .a_strides = {1},
                        .b_strides = {1},
                        .a = sum.raw(),
                        .b = dx.raw(),
                        .out = sum.mutable_raw()};
  const int calls =
      static_cast<int>(std::clamp<int64_t>((int64_t{1} << 31) / (m * n * k), 4, 1000));
  double with = std::numeric_limits<double>::infinity(), without = with;
  for (auto _ : state) {
    const double best = BestSeconds(calls, [&] { gemm(Device::kCpu, onto); });
    state.SetIterationTime(best);
    with = std::min(with, best);
    without = std::min(without, BestSeconds(calls, [&] {
                         gemm(Device::kCpu, product);
                         binary(Device::kCpu, pass);
                       }));
  }
  state.counters["vs_pass"] = without / with;
}

void OntoShapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "threads"})
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond)
      ->Iterations(5)
      ->ArgsProduct({{4096}, {256, 768}, {64, 256, 768}, {1, 2}});
}

BENCHMARK_CAPTURE(OntoAgainstPass, f32, DType::kF32)->Apply(OntoShapes);
BENCHMARK_CAPTURE(OntoAgainstPass, bf16, DType::kBf16)->Apply(OntoShapes);

BENCHMARK_CAPTURE(SymmetricAgainstFull, f32_rows, DType::kF32, false)->Apply(SymmetricShapes);
BENCHMARK_CAPTURE(SymmetricAgainstFull, f32_columns, DType::kF32, true)->Apply(SymmetricShapes);
BENCHMARK_CAPTURE(SymmetricAgainstFull, bf16_rows, DType::kBf16, false)->Apply(SymmetricShapes);

BENCHMARK_CAPTURE(AgainstOnednn, f32, DType::kF32)->Apply(Shapes);
BENCHMARK_CAPTURE(AgainstOnednn, bf16, DType::kBf16)->Apply(Shapes);

}  // namespace
}  // namespace palimpsest
