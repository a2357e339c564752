#include "kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/parallel.h"
#include "kernels/aligned.h"
#include "kernels/vector_math.h"

namespace palimpsest {

constinit Kernel<void(const NormArgs&)> norm("norm");
constinit Kernel<void(const NormGradArgs&)> norm_grad("norm_grad");

namespace {

constexpr int64_t kGrain = 16384;
// Rows are summed in at most this many parts.
constexpr int64_t kMaxParts = 64;
constexpr int64_t kMinPartRows = 16;

template <typename T>
struct Statistics {
  Number<T> mean, r;
};

template <typename T>
Statistics<T> StatisticsOf(const NormArgs& args, const T* x) {
  using N = Number<T>;
  const int64_t n = args.n;
  N mean(0.0);
  if (args.centered) {
    mean = N(SumVectors<T>(n, [=](int64_t i, auto... count) { return Load(x + i, count...); }) / n);
  }
  const double squares = SumVectors<T>(n, [=](int64_t i, auto... count) {
    const N v = Load(x + i, count...) - mean;
    return v * v;
  });
  return {mean, N(1.0 / std::sqrt(squares * args.scale + args.eps))};
}

template <typename T, bool kWeight, bool kBias>
void NormRow(const NormArgs& args, const T* x, T* y) {
  const auto [mean, r] = StatisticsOf(args, x);
  const T *weight = static_cast<const T*>(args.weight), *bias = static_cast<const T*>(args.bias);
  ForVectors<T>(args.n, [=, mean = mean, r = r](int64_t i, auto... count) {
    auto v = (Load(x + i, count...) - mean) * r;
    if constexpr (kWeight) v = v * Load(weight + i, count...);
    if constexpr (kBias) v = v + Load(bias + i, count...);
    Store(v, y + i, count...);
  });
}

void NormCpu(const NormArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    auto* row_fn = &NormRow<T, false, false>;
    if (args.weight != nullptr)
      row_fn = args.bias != nullptr ? &NormRow<T, true, true> : &NormRow<T, true, false>;
    if (args.weight == nullptr && args.bias != nullptr) row_fn = &NormRow<T, false, true>;
    const T* x = static_cast<const T*>(args.x);
    T* y = static_cast<T*>(args.y);
    ParallelFor(args.rows, kGrain / std::max<int64_t>(args.n, 1), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) row_fn(args, x + row * args.n, y + row * args.n);
    });
  });
}

PALIMPSEST_REGISTER_KERNEL(norm, kCpu, NormCpu);

// One row's dx; its share of the parameters' gradients is added to dweight and dbias, where not
// null.
template <typename T>
void NormGradRow(const NormArgs& args, const T* x, const T* dy, T* dx, Accumulator<T>* dweight,
                 Accumulator<T>* dbias) {
  using N = Number<T>;
  const int64_t n = args.n;
  const Statistics<T> s = StatisticsOf(args, x);
  const T* weight = static_cast<const T*>(args.weight);
  const auto z_at = [=](int64_t i, auto... count) {
    return (Load(x + i, count...) - s.mean) * s.r;
  };
  const auto g_at = [=](int64_t i, auto... count) {
    const N v = Load(dy + i, count...);
    return weight != nullptr ? v * Load(weight + i, count...) : v;
  };
  N sum(0.0);  // Of g, in one chain: the loop has more to do than to wait for it.
  const N projection(args.scale * SumVectors<T>(n, [=, &sum](int64_t i, auto... count) {
                       const N v = Load(dy + i, count...), z = z_at(i, count...);
                       if (dweight != nullptr)
                         Store(MulAdd(v, z, Load(dweight + i, count...)), dweight + i, count...);
                       if (dbias != nullptr)
                         Store(Load(dbias + i, count...) + v, dbias + i, count...);
                       const N g = g_at(i, count...);
                       sum = sum + g;
                       return g * z;
                     }));
  const N mean(args.centered ? static_cast<double>(SumOfLanes(sum)) / static_cast<double>(n) : 0.0);
  ForVectors<T>(n, [=](int64_t i, auto... count) {
    Store((g_at(i, count...) - mean - z_at(i, count...) * projection) * s.r, dx + i, count...);
  });
}

// out[i] = sum_p parts[p, i], p in order; parts [count, n] is overwritten.
template <typename T>
void SumParts(Accumulator<T>* parts, int64_t count, int64_t n, T* out) {
  for (int64_t p = 1; p < count; ++p) {
    Map(parts, parts + p * n, parts, n, [](auto a, auto b) { return a + b; });
  }
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(count > 0 ? parts[i] : Accumulator<T>());
}

template <typename T>
void NormGrad(const NormGradArgs& args) {
  using A = Accumulator<T>;
  const int64_t rows = args.forward.rows, n = args.forward.n;
  const T *x = static_cast<const T*>(args.forward.x), *dy = static_cast<const T*>(args.dy);
  T* dx = static_cast<T*>(args.dx);
  const int64_t part_rows = std::max(kMinPartRows, (rows + kMaxParts - 1) / kMaxParts);
  const int64_t parts = (rows + part_rows - 1) / part_rows;
  // Aligned: else each vector of a sum would lie in two cache lines.
  const auto sums = [&](const void* wanted) {
    const int64_t size = wanted != nullptr ? parts * n : 0;
    auto zeros = AllocateAligned<A>(std::max<int64_t>(size, 1));
    std::fill_n(zeros.get(), size, A());
    return zeros;
  };
  const auto dweight = sums(args.dweight), dbias = sums(args.dbias);
  ParallelFor(parts, kGrain / std::max<int64_t>(part_rows * n, 1), [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      for (int64_t row = part * part_rows; row < std::min((part + 1) * part_rows, rows); ++row) {
        NormGradRow(args.forward, x + row * n, dy + row * n, dx + row * n,
                    args.dweight != nullptr ? &dweight[part * n] : nullptr,
                    args.dbias != nullptr ? &dbias[part * n] : nullptr);
      }
    }
  });
  if (args.dweight != nullptr) SumParts(dweight.get(), parts, n, static_cast<T*>(args.dweight));
  if (args.dbias != nullptr) SumParts(dbias.get(), parts, n, static_cast<T*>(args.dbias));
}

void NormGradCpu(const NormGradArgs& args) {
  DispatchFloat(args.forward.dtype, [&]<typename T>() { NormGrad<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(norm_grad, kCpu, NormGradCpu);

}  // namespace
}  // namespace palimpsest
