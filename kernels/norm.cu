#include "kernels/cuda/dispatch.h"
#include "kernels/norm.h"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Number;
using device::Run;

template <typename T>
struct Rows {
  bool centered;
  double scale, eps;
  int64_t rows, n;
  const T *x, *weight, *bias;
};

template <typename T>
Rows<DeviceType<T>> RowsOf(const NormArgs& a) {
  return {a.centered, a.scale, a.eps, a.rows, a.n, In<T>(a.x), In<T>(a.weight), In<T>(a.bias)};
}

template <typename N>
struct Statistics {
  N mean, r;
};

template <typename Row, int kPack, typename T, typename N = Number<T>>
__device__ Statistics<N> StatisticsOf(const Rows<T>& rows, const T* x) {
  const device::Plus plus;
  N mean(0);
  if (rows.centered) {
    mean = device::ReduceRow<Row, kPack>(
               rows.n, N(0), plus, [](N v) { return v; }, x) /
           static_cast<N>(rows.n);
  }
  const double squares = device::ReduceRow<Row, kPack>(
      rows.n, N(0), plus, [=](N v) { return (v - mean) * (v - mean); }, x);
  return {mean, static_cast<N>(1.0 / sqrt(squares * rows.scale + rows.eps))};
}

template <typename Row, int kPack, typename T>
__global__ void NormKernel(Rows<T> rows, T* y) {
  using N = Number<T>;
  const bool scaled = rows.weight != nullptr;
  for (int64_t row = Row::First(); row < rows.rows; row += Row::Stride()) {
    const T* x = rows.x + row * rows.n;
    const auto [mean, r] = StatisticsOf<Row, kPack>(rows, x);
    device::MapRow<Row, kPack>(
        rows.n, y + row * rows.n,
        [=, mean = mean, r = r](int64_t, N v, N weight, N bias) {
          const N z = (v - mean) * r;
          return (scaled ? z * weight : z) + bias;
        },
        x, rows.weight, rows.bias);
  }
}

void NormCuda(const NormArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    const auto rows = RowsOf<T>(args);
    auto* y = Out<T>(args.y);
    DispatchRow<DeviceType<T>>(args.rows, args.n, {rows.x, rows.weight, rows.bias, y},
                               [&]<typename Row, int kPack>(unsigned blocks) {
                                 Launch(NormKernel<Row, kPack, DeviceType<T>>, blocks, kThreads,
                                        device::kReduceBytes, rows, y);
                               });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(norm, NormCuda);

// A Row of threads takes `part` rows one after the other, and sums the parameters' gradients over
// them, each thread those of its places.
constexpr int64_t kMaxParts = 2048, kMinPartRows = 16;
constexpr size_t kMaxSumBytes = 72 << 10;  // In shared memory; others stay in `partial`.

template <typename N>
struct Sums {
  int64_t part, parts;
  bool in_shared;
  N* partial;  // [parts, 2, n]: of dweight and dbias; null if nobody asks.
};

// to_i += f(i, j-th of the run) of this thread's places.
template <int kPack, typename N, typename F>
__device__ void AddRun(N* to, int64_t i, F f) {
  Run<N, kPack> sum = device::LoadRun<kPack>(to, i);
#pragma unroll
  for (int j = 0; j < kPack; ++j) sum.at[j] += f(j);
  device::StoreRun(sum, to, i);
}

// One row's dx; its share of the parameters' gradients is added to sums [2, n], if not null.
template <typename Row, int kPack, typename T>
__device__ void GradRow(const Rows<T>& rows, const T* x, const T* dy, T* dx, Number<T>* sums) {
  using N = Number<T>;
  const device::Plus plus;
  const auto [mean, r] = StatisticsOf<Row, kPack>(rows, x);
  const bool scaled = rows.weight != nullptr;
  const auto z_of = [mean = mean, r = r](N v) { return (v - mean) * r; };
  const auto g_of = [=](N d, N weight) { return scaled ? d * weight : d; };
  N sum(0), product(0);  // Of g, and of g z.
  device::ForRuns<Row, kPack>(
      rows.n,
      [&](int64_t i, const auto& v, const auto& d, const auto& weight) {
        if (sums != nullptr) {
          AddRun<kPack>(sums, i, [&](int j) { return d.at[j] * z_of(v.at[j]); });
          AddRun<kPack>(sums + rows.n, i, [&](int j) { return d.at[j]; });
        }
#pragma unroll
        for (int j = 0; j < kPack; ++j) {
          const N g = g_of(d.at[j], weight.at[j]);
          sum += g;
          product += g * z_of(v.at[j]);
        }
      },
      x, dy, rows.weight);
  product = Row::Reduce(product, N(0), plus) * static_cast<N>(rows.scale);
  const N g_mean = rows.centered ? Row::Reduce(sum, N(0), plus) / static_cast<N>(rows.n) : N(0);
  device::MapRow<Row, kPack>(
      rows.n, dx,
      [=, r = r](int64_t, N v, N d, N weight) {
        return (g_of(d, weight) - g_mean - z_of(v) * product) * r;
      },
      x, dy, rows.weight);
}

template <typename Row, int kPack, typename T>
__global__ void NormGradKernel(Rows<T> rows, const T* dy, T* dx, Sums<Number<T>> s) {
  using N = Number<T>;
  N* shared =
      device::SharedMemory<N>() + device::kReduceBytes / sizeof(N) + Row::Local() * 2 * rows.n;
  for (int64_t part = Row::First(); part < s.parts; part += Row::Stride()) {
    const int64_t size = s.partial != nullptr ? rows.n : 0;
    N* partial = s.partial + part * 2 * size;
    N* sums = s.in_shared ? shared : partial;
    const auto each = [&](auto f) { device::ForRuns<Row, kPack>(size, f); };
    each([&](int64_t i) {
      device::StoreRun(Run<N, kPack>{}, sums, i);
      device::StoreRun(Run<N, kPack>{}, sums + size, i);
    });
    for (int64_t row = part * s.part; row < (part + 1) * s.part && row < rows.rows; ++row) {
      GradRow<Row, kPack>(rows, rows.x + row * rows.n, dy + row * rows.n, dx + row * rows.n,
                          size > 0 ? sums : nullptr);
    }
    if (!s.in_shared) continue;
    each([&](int64_t i) {
      device::StoreRun(device::LoadRun<kPack>(sums, i), partial, i);
      device::StoreRun(device::LoadRun<kPack>(sums + size, i), partial + size, i);
    });
  }
}

void NormGradCuda(const NormGradArgs& args) {
  const int64_t rows = args.forward.rows, n = args.forward.n;
  const int64_t part = std::max(kMinPartRows, CeilDiv(rows, kMaxParts)),
                parts = CeilDiv(rows, part);
  DispatchFloat(args.forward.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    using N = Number<T>;
    const bool wanted = args.dweight != nullptr || args.dbias != nullptr;
    Scratch<N> partial(wanted ? parts * 2 * n : 0);
    const auto forward = RowsOf<Host>(args.forward);
    const T* dy = In<Host>(args.dy);
    T* dx = Out<Host>(args.dx);
    DispatchRow<T>(parts, n, {forward.x, forward.weight, dy, dx},
                   [&]<typename Row, int kPack>(unsigned blocks) {
                     constexpr int64_t kRows =
                         std::is_same_v<Row, device::WarpRow> ? kThreads / device::kWarp : 1;
                     const size_t bytes = kRows * 2 * n * sizeof(N);
                     const bool in_shared = wanted && bytes <= kMaxSumBytes;
                     Launch(NormGradKernel<Row, kPack, T>, blocks, kThreads,
                            device::kReduceBytes + (in_shared ? bytes : 0), forward, dy, dx,
                            Sums<N>{part, parts, in_shared, wanted ? partial.data() : nullptr});
                   });
    const auto finish = [&](const N* sums, void* y) {
      if (y != nullptr) SumRows(sums, parts, 2 * n, n, Out<Host>(y));
    };
    finish(partial.data(), args.dweight);
    finish(partial.data() + n, args.dbias);
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(norm_grad, NormGradCuda);

}  // namespace
}  // namespace palimpsest
