#ifndef KERNELS_BLOCKS_H_
#define KERNELS_BLOCKS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "core/dtype.h"
#include "core/parallel.h"
#include "kernels/vector.h"

// Loops over several tensors of equal size at once, for kernels compiled with SAME_BITS: each
// element is read and written once, the same whatever the number of threads and wherever it
// stands; the order of a sum is given by the size alone. Nothing is allocated.
namespace palimpsest {

// Elements that a thread takes at a time.
inline constexpr int64_t kBlock = 4096;
// Blocks worth a thread of their own.
inline constexpr int64_t kGrainBlocks = 4;

// Calls f.operator()<T>() for f64 or f32, what optimizers compute in.
template <typename F>
decltype(auto) DispatchState(DType dtype, F&& f) {
  PALIMPSEST_CHECK(dtype == DType::kF64 || dtype == DType::kF32) << "f64 or f32, not " << dtype;
  if (dtype == DType::kF64) return std::forward<F>(f).template operator()<double>();
  return std::forward<F>(f).template operator()<float>();
}

// An element as f64: what references compute in.
template <typename T>
double ValueAt(const void* x, int64_t i) {
  return static_cast<double>(static_cast<const T*>(x)[i]);
}
template <typename T>
void SetValue(void* x, int64_t i, double value) {
  static_cast<T*>(x)[i] = static_cast<T>(value);
}

// Calls body(begin, count) for each block of [0, size).
template <typename F>
void ForBlocks(int64_t size, F body) {
  const int64_t blocks = (size + kBlock - 1) / kBlock;
  ParallelFor(blocks, kGrainBlocks, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) body(b * kBlock, std::min(kBlock, size - b * kBlock));
  });
}

template <typename T>
const T* At(const void* x, int64_t begin) {
  return static_cast<const T*>(x) + begin;
}
template <typename T>
T* At(void* x, int64_t begin) {
  return static_cast<T*>(x) + begin;
}

// out[0][i], out[1][i], ... = f(in[0][i], in[1][i], ...), of Number<T>, for i in [0, size). An
// output may be one of the inputs.
template <typename T, size_t kIn, size_t kOut, typename F>
void MapTensors(int64_t size, const void* const (&in)[kIn], void* const (&out)[kOut], F f) {
  const auto map = [&]<size_t... kIs, size_t... kOs>(std::index_sequence<kIs...>,
                                                     std::index_sequence<kOs...>) {
    ForBlocks(size, [&](int64_t begin, int64_t count) {
      const T* const x[] = {At<T>(in[kIs], begin)...};
      T* const y[] = {At<T>(out[kOs], begin)...};
      ForVectors<T>(count, [=](int64_t i, auto... n) {
        const std::array<Number<T>, kOut> results = f(Load(x[kIs] + i, n...)...);
        (Store(results[kOs], y[kOs] + i, n...), ...);
      });
    });
  };
  map(std::make_index_sequence<kIn>(), std::make_index_sequence<kOut>());
}

template <size_t kSums>
using Sums = std::array<double, kSums>;

// sum_i a_i b_i in f64, where a product of f32 is exact and overflows for none.
struct F64Sum {
  double total = 0.0;

  void Add(double a, double b) { total += a * b; }
  void Add(double a, double b, int64_t) { Add(a, b); }
  double Total() const { return total; }
};
struct F32Sum {
  using Wide = hn::RepartitionToWide<FloatTag>;
  hn::Vec<Wide> lower = hn::Zero(Wide()), upper = hn::Zero(Wide());

  void Add(Floats a, Floats b) {
    const hn::Half<FloatTag> half;
    const auto wide = [](auto x) { return hn::PromoteTo(Wide(), x); };
    lower =
        hn::MulAdd(wide(hn::LowerHalf(half, a.lanes)), wide(hn::LowerHalf(half, b.lanes)), lower);
    upper =
        hn::MulAdd(wide(hn::UpperHalf(half, a.lanes)), wide(hn::UpperHalf(half, b.lanes)), upper);
  }
  // Of the first n lanes.
  void Add(Floats a, Floats b, int64_t n) {
    const Floats zero(0.0);
    Add(KeepFirst(a, n, zero), KeepFirst(b, n, zero));
  }
  double Total() const { return hn::GetLane(hn::SumOfLanes(Wide(), hn::Add(lower, upper))); }
};

// The sums that f(sums, i) and f(sums, i, n), called as by ForVectors, add to: each by
// sums[s].Add(a, b, n...).
template <typename T, size_t kSums, typename F>
Sums<kSums> SumBlock(int64_t count, F f) {
  std::conditional_t<std::is_same_v<T, double>, F64Sum, F32Sum> sums[kSums];
  ForVectors<T>(count, [&](int64_t i, auto... n) { f(sums, i, n...); });
  Sums<kSums> totals;
  for (size_t s = 0; s < kSums; ++s) totals[s] = sums[s].Total();
  return totals;
}

// The sums of what body(begin, count), Sums<kSums>, returns for each block of [0, size).
template <size_t kSums, typename F>
Sums<kSums> SumOfBlocks(int64_t size, F body) {
  constexpr int64_t kParts = 256;
  const int64_t blocks = (size + kBlock - 1) / kBlock;
  const int64_t of_part = std::max<int64_t>((blocks + kParts - 1) / kParts, 1);
  const int64_t parts = (blocks + of_part - 1) / of_part;
  const auto add = [](Sums<kSums>& to, const Sums<kSums>& x) {
    for (size_t s = 0; s < kSums; ++s) to[s] += x[s];
  };
  Sums<kSums> partial[kParts];
  ParallelFor(parts, kGrainBlocks / of_part, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      partial[part] = {};
      for (int64_t b = part * of_part; b < std::min(blocks, (part + 1) * of_part); ++b)
        add(partial[part], body(b * kBlock, std::min(kBlock, size - b * kBlock)));
    }
  });
  Sums<kSums> total = {};
  for (int64_t part = 0; part < parts; ++part) add(total, partial[part]);
  return total;
}

}  // namespace palimpsest

#endif  // KERNELS_BLOCKS_H_
