#ifndef KERNELS_VECTOR_H_
#define KERNELS_VECTOR_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/dtype.h"
#include "hwy/highway.h"

// Numbers that CPU kernels compute with: `double`, one at a time (the reference), and `Floats`, one
// vector of f32 lanes, for f32 and bf16. A formula written once for a type N of numbers serves all
// three dtypes. No lane's result depends on its neighbours, so neither on where a loop begins.
namespace palimpsest {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using IntTag = hn::RebindToSigned<FloatTag>;

struct Floats {
  hn::Vec<FloatTag> lanes;

  Floats() = default;
  Floats(hn::Vec<FloatTag> lanes) : lanes(lanes) {}  // NOLINT: the same thing.
  explicit Floats(double value) : lanes(hn::Set(FloatTag(), static_cast<float>(value))) {}
};

struct FloatsMask {
  hn::Mask<FloatTag> lanes;
};

inline Floats operator+(Floats a, Floats b) { return hn::Add(a.lanes, b.lanes); }
inline Floats operator-(Floats a, Floats b) { return hn::Sub(a.lanes, b.lanes); }
inline Floats operator*(Floats a, Floats b) { return hn::Mul(a.lanes, b.lanes); }
inline Floats operator/(Floats a, Floats b) { return hn::Div(a.lanes, b.lanes); }
inline Floats operator-(Floats a) { return hn::Neg(a.lanes); }
inline FloatsMask operator>(Floats a, Floats b) { return {hn::Gt(a.lanes, b.lanes)}; }
inline FloatsMask operator<(Floats a, Floats b) { return {hn::Lt(a.lanes, b.lanes)}; }
inline FloatsMask operator>=(Floats a, Floats b) { return {hn::Ge(a.lanes, b.lanes)}; }
inline FloatsMask operator<=(Floats a, Floats b) { return {hn::Le(a.lanes, b.lanes)}; }
inline FloatsMask operator==(Floats a, Floats b) { return {hn::Eq(a.lanes, b.lanes)}; }

inline Floats Select(FloatsMask m, Floats a, Floats b) {
  return hn::IfThenElse(m.lanes, a.lanes, b.lanes);
}
template <typename N>
N Select(bool m, N a, N b) {
  return m ? a : b;
}

// a b + c, rounded once.
inline Floats MulAdd(Floats a, Floats b, Floats c) { return hn::MulAdd(a.lanes, b.lanes, c.lanes); }
inline double MulAdd(double a, double b, double c) { return std::fma(a, b, c); }
inline Floats Abs(Floats a) { return hn::Abs(a.lanes); }
inline double Abs(double a) { return std::abs(a); }
inline Floats Sqrt(Floats a) { return hn::Sqrt(a.lanes); }
inline double Sqrt(double a) { return std::sqrt(a); }
inline Floats CopySign(Floats magnitude, Floats sign) {
  return hn::CopySign(magnitude.lanes, sign.lanes);
}
inline double CopySign(double magnitude, double sign) { return std::copysign(magnitude, sign); }
// NaN if either is.
template <typename N>
N Max(N a, N b) {
  return Select(a > b, a, Select(a == a, b, a));
}
template <typename N>
N Min(N a, N b) {
  return Select(a < b, a, Select(a == a, b, a));
}

// What elements of type T are computed as, and how many at a time.
template <typename T>
struct NumberOf {
  using type = Floats;
  static constexpr int64_t kLanes = hn::MaxLanes(FloatTag());
};
template <>
struct NumberOf<double> {
  using type = double;
  static constexpr int64_t kLanes = 1;
};
template <typename T>
using Number = typename NumberOf<T>::type;
template <typename T>
inline constexpr int64_t kLanes = NumberOf<T>::kLanes;

// All lanes, and the first n, 0 < n < kLanes; the others are 0 and not touched in memory.
inline double Load(const double* x) { return *x; }
inline double Load(const double* x, int64_t) { return *x; }
inline void Store(double v, double* y) { *y = v; }
inline void Store(double v, double* y, int64_t) { *y = v; }

inline Floats Load(const float* x) { return hn::LoadU(FloatTag(), x); }
inline Floats Load(const float* x, int64_t n) {
  return hn::MaskedLoad(hn::FirstN(FloatTag(), n), FloatTag(), x);
}
inline void Store(Floats v, float* y) { hn::StoreU(v.lanes, FloatTag(), y); }
inline void Store(Floats v, float* y, int64_t n) {
  hn::BlendedStore(v.lanes, hn::FirstN(FloatTag(), n), FloatTag(), y);
}

// The first n lanes of v, `fill` in the others.
inline double KeepFirst(double v, int64_t, double) { return v; }
inline Floats KeepFirst(Floats v, int64_t n, Floats fill) {
  return hn::IfThenElse(hn::FirstN(FloatTag(), n), v.lanes, fill.lanes);
}

using HalfTag = hn::Rebind<uint16_t, FloatTag>;

inline Floats Load(const Bf16* x) {
  const hn::RebindToUnsigned<FloatTag> du;
  const auto bits = hn::LoadU(HalfTag(), reinterpret_cast<const uint16_t*>(x));
  return hn::BitCast(FloatTag(), hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}
// Rounds to nearest even, as Bf16 itself.
inline void Store(Floats v, Bf16* y) {
  const hn::RebindToUnsigned<FloatTag> du;
  const auto bits = hn::BitCast(du, v.lanes);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff)));
  const auto quiet_nan = hn::Or(bits, hn::Set(du, 0x400000));
  const auto nan = hn::RebindMask(du, hn::IsNaN(v.lanes));
  const auto upper = hn::ShiftRight<16>(hn::IfThenElse(nan, quiet_nan, rounded));
  hn::StoreU(hn::DemoteTo(HalfTag(), hn::BitCast(IntTag(), upper)), HalfTag(),
             reinterpret_cast<uint16_t*>(y));
}
// Not every machine masks 16-bit loads and stores.
inline Floats Load(const Bf16* x, int64_t n) {
  Bf16 part[kLanes<Bf16>] = {};
  std::memcpy(part, x, n * sizeof(Bf16));
  return Load(part);
}
inline void Store(Floats v, Bf16* y, int64_t n) {
  Bf16 part[kLanes<Bf16>];
  Store(v, part);
  std::memcpy(y, part, n * sizeof(Bf16));
}

// One element in all lanes.
template <typename T>
Number<T> Spread(T x) {
  return Number<T>(static_cast<double>(x));
}

// The sum and maximum over lanes, in a fixed order.
inline double SumOfLanes(double v) { return v; }
inline float SumOfLanes(Floats v) { return hn::GetLane(hn::SumOfLanes(FloatTag(), v.lanes)); }
inline double MaxOfLanes(double v) { return v; }
inline float MaxOfLanes(Floats v) {
  alignas(HWY_MAX_BYTES) float lane[kLanes<float>];
  hn::Store(v.lanes, FloatTag(), lane);
  float max = lane[0];
  for (int64_t i = 1; i < kLanes<float>; ++i)
    max = lane[i] > max || std::isnan(lane[i]) ? lane[i] : max;
  return max;
}

// Calls f(i) for each whole vector of n elements of T, and f(i, count) for what is left: hand
// `count...` on to Load and Store.
template <typename T, typename F>
void ForVectors(int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) f(i);
  if (i < n) f(i, n - i);
}

// op over the vectors f(i) and f(i, count), starting from `identity`: in several chains, to hide
// latency.
template <typename T, typename F, typename Op>
Number<T> FoldVectors(int64_t n, Number<T> identity, F f, Op op) {
  constexpr int64_t kChains = 4;
  Number<T> chain[kChains];
  for (auto& c : chain) c = identity;
  int64_t i = 0;
  for (; i + kChains * kLanes<T> <= n; i += kChains * kLanes<T>) {
    for (int64_t c = 0; c < kChains; ++c) chain[c] = op(chain[c], f(i + c * kLanes<T>));
  }
  for (; i + kLanes<T> <= n; i += kLanes<T>) chain[0] = op(chain[0], f(i));
  if (i < n) chain[1] = op(chain[1], KeepFirst(f(i, n - i), n - i, identity));
  return op(op(chain[0], chain[2]), op(chain[1], chain[3]));
}

// sum_i f_i and max_i f_i, in an order given by n.
template <typename T, typename F>
Accumulator<T> SumVectors(int64_t n, F f) {
  using N = Number<T>;
  return SumOfLanes(FoldVectors<T>(n, N(0.0), f, [](N a, N b) { return a + b; }));
}
template <typename T, typename F>
Accumulator<T> MaxVectors(int64_t n, F f) {
  using N = Number<T>;
  const N lowest(-std::numeric_limits<double>::infinity());
  return MaxOfLanes(FoldVectors<T>(n, lowest, f, [](N a, N b) { return Max(a, b); }));
}

// y_i = f(x_i), and f(a_i, b_i).
template <typename T, typename F>
void Map(const T* x, T* y, int64_t n, F f) {
  ForVectors<T>(
      n, [=](int64_t i, auto... count) { Store(f(Load(x + i, count...)), y + i, count...); });
}
template <typename T, typename F>
void Map(const T* a, const T* b, T* y, int64_t n, F f) {
  ForVectors<T>(n, [=](int64_t i, auto... count) {
    Store(f(Load(a + i, count...), Load(b + i, count...)), y + i, count...);
  });
}

}  // namespace palimpsest

#endif  // KERNELS_VECTOR_H_
