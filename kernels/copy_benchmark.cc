// Strided copies against memcpy of as many bytes: `of_memcpy` is the ratio of their speeds.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "absl/functional/function_ref.h"
#include "benchmark/benchmark.h"
#include "kernels/copy.h"

namespace palimpsest {
namespace {

double Seconds(absl::FunctionRef<void()> f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Axes of `shape`, f32, in the order `order`.
void Run(benchmark::State& state, const Shape& shape, const std::vector<int>& order) {
  std::vector<float> from(NumElements(shape), 1.0f), to(from.size());
  CopyArgs args{.element = 4, .from = from.data(), .to = to.data()};
  for (int axis : order) {
    args.extents.push_back(shape[axis]);
    args.from_strides.push_back(DenseStrides(shape)[axis]);
  }
  args.to_strides = DenseStrides(args.extents);
  double ours = 1e9, theirs = 1e9;
  for (auto _ : state) {
    const double seconds = Seconds([&] { copy(Device::kCpu, args); });
    state.SetIterationTime(seconds);
    ours = std::min(ours, seconds);
    theirs = std::min(theirs, Seconds([&] { std::memcpy(to.data(), from.data(), 4 * to.size()); }));
  }
  state.counters["of_memcpy"] = theirs / ours;
  state.SetBytesProcessed(state.iterations() * 8 * static_cast<int64_t>(to.size()));
}

#define PALIMPSEST_COPY(name, shape, ...)                                                       \
  void name(benchmark::State& state) { Run(state, Shape shape, std::vector<int> __VA_ARGS__); } \
  BENCHMARK(name)->UseManualTime()

PALIMPSEST_COPY(Dense, ({4096, 4096}), {0, 1});
PALIMPSEST_COPY(HeadsOutwards, ({16, 1024, 16, 64}), {0, 2, 1, 3});
PALIMPSEST_COPY(NarrowHeadsOutwards, ({16, 4096, 16, 16}), {0, 2, 1, 3});
PALIMPSEST_COPY(Transpose, ({4096, 4096}), {1, 0});
PALIMPSEST_COPY(BatchedTranspose, ({256, 256, 256}), {0, 2, 1});
PALIMPSEST_COPY(SmallHeadsOutwards, ({2, 8, 4, 8}), {0, 2, 1, 3});
PALIMPSEST_COPY(SmallTranspose, ({16, 16}), {1, 0});

}  // namespace
}  // namespace palimpsest
