#ifndef KERNELS_SMALL_ROWS_H_
#define KERNELS_SMALL_ROWS_H_

#include <cstdint>

#include "hwy/highway.h"
#include "kernels/small_gemm.h"

// Elementwise work on rows of tiles, aligned and padded to whole vectors, to which n is rounded up.
// Only inputs and outputs lie anywhere and end at n; past its end an input counts as zeros.
namespace palimpsest::tile {

template <typename T>
HWY_INLINE Vec<T> LoadInput(const T* from, int64_t i, int64_t n) {
  const Simd<T> d;
  const int64_t left = n - i;
  if (left >= static_cast<int64_t>(hn::Lanes(d))) return hn::LoadU(d, from + i);
  return hn::MaskedLoad(hn::FirstN(d, left), d, from + i);
}

// to = scale * input
template <typename T>
HWY_INLINE void ScaleInput(T* to, T scale, const T* input, int64_t n) {
  const Simd<T> d;
  const auto s = hn::Set(d, scale);
  for (int64_t i = 0; i < n; i += hn::Lanes(d))
    hn::Store(hn::Mul(s, LoadInput(input, i, n)), d, to + i);
}

// output = scale * from; n to the element.
template <typename T>
HWY_INLINE void ScaleOutput(T* output, T scale, const T* from, int64_t n) {
  const Simd<T> d;
  const auto s = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + static_cast<int64_t>(hn::Lanes(d)) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Mul(s, hn::Load(d, from + i)), d, output + i);
  }
  for (; i < n; ++i) output[i] = scale * from[i];
}

// to = scale * from
template <typename T>
HWY_INLINE void Scale(T* to, T scale, const T* from, int64_t n) {
  const Simd<T> d;
  const auto s = hn::Set(d, scale);
  for (int64_t i = 0; i < n; i += hn::Lanes(d))
    hn::Store(hn::Mul(s, hn::Load(d, from + i)), d, to + i);
}

// to = a * b
template <typename T>
HWY_INLINE void Multiply(T* to, const T* a, const T* b, int64_t n) {
  const Simd<T> d;
  for (int64_t i = 0; i < n; i += hn::Lanes(d)) {
    hn::Store(hn::Mul(hn::Load(d, a + i), hn::Load(d, b + i)), d, to + i);
  }
}

// to += scale * from
template <typename T>
HWY_INLINE void AddScaled(T* to, T scale, const T* from, int64_t n) {
  const Simd<T> d;
  const auto s = hn::Set(d, scale);
  for (int64_t i = 0; i < n; i += hn::Lanes(d)) {
    hn::Store(hn::MulAdd(s, hn::Load(d, from + i), hn::Load(d, to + i)), d, to + i);
  }
}

// sum of row * input
template <typename T>
HWY_INLINE T Dot(const T* row, const T* input, int64_t n) {
  const Simd<T> d;
  auto sum = hn::Zero(d);
  for (int64_t i = 0; i < n; i += hn::Lanes(d))
    sum = hn::MulAdd(hn::Load(d, row + i), LoadInput(input, i, n), sum);
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// running = from + scale * running; returns the sum of running * weights.
template <typename T>
HWY_INLINE T DecayAndDot(T* running, T scale, const T* from, const T* weights, int64_t n) {
  const Simd<T> d;
  const auto s = hn::Set(d, scale);
  auto sum = hn::Zero(d);
  for (int64_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto now = hn::MulAdd(s, hn::Load(d, running + i), hn::Load(d, from + i));
    hn::Store(now, d, running + i);
    sum = hn::MulAdd(now, hn::Load(d, weights + i), sum);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

// Where y = weights * x: given its cotangent dy, x becomes its own, and dy that of weights.
template <typename T>
HWY_INLINE void Exchange(T* dy, T* x, const T* weights, int64_t n) {
  const Simd<T> d;
  for (int64_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto g = hn::Load(d, dy + i);
    hn::Store(hn::Mul(g, hn::Load(d, x + i)), d, dy + i);
    hn::Store(hn::Mul(g, hn::Load(d, weights + i)), d, x + i);
  }
}

}  // namespace palimpsest::tile

#endif  // KERNELS_SMALL_ROWS_H_
