#ifndef KERNELS_VECTOR_MATH_H_
#define KERNELS_VECTOR_MATH_H_

#include <cmath>
#include <limits>

#include "kernels/vector.h"

// Elementary functions of a `double`, by the C library, and of `Floats`, to a few units in the last
// place over the whole range, infinities and NaN included.
namespace palimpsest {

// c_0 + c_1 x + ...
template <typename... C>
Floats Polynomial(Floats x, double c0, C... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return Floats(c0);
  } else {
    return MulAdd(Polynomial(x, rest...), x, Floats(c0));
  }
}

// x 2^k for a whole number k.
inline Floats ScaleByPowerOf2(Floats x, Floats k) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  return hn::Vec<FloatTag>{_mm512_scalef_ps(x.lanes.raw, k.lanes.raw)};
#else
  // In two steps, so that neither factor leaves the range.
  const IntTag di;
  const auto power = [&](auto k) {
    return Floats(hn::BitCast(FloatTag(), hn::ShiftLeft<23>(hn::Add(k, hn::Set(di, 127)))));
  };
  const auto whole = hn::ConvertTo(di, k.lanes), half = hn::ShiftRight<1>(whole);
  return x * power(half) * power(hn::Sub(whole, half));
#endif
}

// max(low, x) and min(high, x) for a number and what may be NaN, which stays: x86 gives the second
// operand if either is.
inline Floats AtLeast(double low, Floats x) { return hn::Max(Floats(low).lanes, x.lanes); }
inline Floats AtMost(double high, Floats x) { return hn::Min(Floats(high).lanes, x.lanes); }
inline double AtLeast(double low, double x) { return x < low ? low : x; }

// 1 / x for x in [1, 1e30], within 1 ulp, in half the time of a division.
inline Floats Reciprocal(Floats x) {
  const Floats y = hn::ApproximateReciprocal(x.lanes);
  return MulAdd(MulAdd(-x, y, Floats(1.0)), y, y);
}

// e^x for x in [-105, 90] = 2^k e^r, |r| <= log(2) / 2: within 1.3 ulp.
inline Floats ExpInRange(Floats x) {
  const Floats k = hn::Round((x * Floats(1.44269504088896341)).lanes);
  const Floats r = MulAdd(k, Floats(2.12194440e-4), MulAdd(k, Floats(-0.693359375), x));
  const Floats p = Polynomial(r, 4.9999993437e-01, 1.6666520478e-01, 4.1668389863e-02,
                              8.3687355803e-03, 1.3814559658e-03);
  return ScaleByPowerOf2(MulAdd(p, r * r, r + Floats(1.0)), k);
}

inline double Exp(double x) { return std::exp(x); }
inline Floats Exp(Floats x) { return ExpInRange(AtMost(90.0, AtLeast(-105.0, x))); }

// e^-|x|.
inline double ExpOfNegative(double x) { return std::exp(-std::abs(x)); }
inline Floats ExpOfNegative(Floats x) { return ExpInRange(AtLeast(-105.0, -Abs(x))); }

// log((1 + x) 2^e), x in [1/sqrt(2) - 1, sqrt(2) - 1] (Cephes).
inline Floats LogOfParts(Floats x, Floats e) {
  const Floats p = Polynomial(x, 3.3333331174e-1, -2.4999993993e-1, 2.0000714765e-1,
                              -1.6668057665e-1, 1.4249322787e-1, -1.2420140846e-1, 1.1676998740e-1,
                              -1.1514610310e-1, 7.0376836292e-2);
  const Floats z = x * x;
  Floats y = MulAdd(e, Floats(-2.12194440e-4), p * x * z);
  y = MulAdd(z, Floats(-0.5), y);
  return MulAdd(e, Floats(0.693359375), x + y);
}

inline double Log(double x) { return std::log(x); }
inline Floats Log(Floats x) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const IntTag di;
  const FloatsMask denormal = x < Floats(std::numeric_limits<float>::min());
  const Floats normal = Select(denormal, x * Floats(8388608.0), x);
  // The exponent that leaves a mantissa in [1/sqrt(2), sqrt(2)).
  const auto bits = hn::BitCast(di, normal.lanes);
  const auto shifted = hn::Sub(bits, hn::Set(di, 0x3f3504f3));
  const auto exponent = hn::ShiftRight<23>(shifted);
  const Floats m = hn::BitCast(FloatTag(), hn::Sub(bits, hn::ShiftLeft<23>(exponent)));
  const Floats e =
      Floats(hn::ConvertTo(FloatTag(), exponent)) - Select(denormal, Floats(23.0), Floats(0.0));
  const Floats y = LogOfParts(m - Floats(1.0), e);
  const Floats special = Select(x == Floats(0.0), Floats(-kInfinity), Floats(std::nan("")));
  return Select(x > Floats(0.0), Select(x == Floats(kInfinity), x, y), special);
}

// log(1 + u) for u in [0, 1].
inline double Log1pUnit(double u) { return std::log1p(u); }
inline Floats Log1pUnit(Floats u) {
  return u * Polynomial(u, 9.9999999529e-01, -4.9999902422e-01, 3.3329962403e-01, -2.4954133517e-01,
                        1.9675938548e-01, -1.5305590529e-01, 1.0603651427e-01, -5.6959500158e-02,
                        1.9851444212e-02, -3.2440211510e-03);
}

inline double Tanh(double x) { return std::tanh(x); }
inline Floats Tanh(Floats x) {
  const Floats a = Abs(x), z = x * x;
  const Floats small = MulAdd(z * x,
                              Polynomial(z, -3.33332819422e-1, 1.33314432036e-1, -5.37397155531e-2,
                                         2.06390887954e-2, -5.70498872745e-3),
                              x);
  const Floats large = Floats(1.0) - Floats(2.0) / (ExpInRange(AtMost(20.0, a + a)) + Floats(1.0));
  return Select(a < Floats(0.625), small, CopySign(large, x));
}

template <typename N>
N Sigmoid(N x) {
  return N(1.0) / (N(1.0) + Exp(-x));
}

template <typename N>
N Softplus(N x) {
  return AtLeast(0.0, x) + Log1pUnit(ExpOfNegative(x));
}

// The normal distribution's density phi(x) and cumulative Phi(x).
template <typename N>
struct Normal {
  N density, cumulative;
};
inline Normal<double> NormalOf(double x) {
  return {0.39894228040143267794 * std::exp(-0.5 * x * x),
          0.5 * std::erfc(-x * 0.70710678118654752440)};
}
// Phi(-a) = e^(-a^2/2) r(a), where (a + 2.9) r, a smooth function fitted in (a - 2.9) / (a + 2.9),
// keeps the tail's digits (Shepherd & Laframboise 1981); but for a^2 ulp, by which rounding the
// square moves a tail that is small there. 0 <= a <= 14.5.
struct Tail {
  Floats e, probability;  // e^(-a^2/2), Phi(-a)
};
inline Tail NormalTail(Floats a) {
  const Floats y = a * a * Floats(-0.72134752044448170);  // e = 2^y
  const Floats k = hn::Round(y.lanes), f = y - k;
  const Floats p = Polynomial(f, 1.0, 6.9314720286e-01, 2.4022647914e-01, 5.5503324710e-02,
                              9.6184373583e-03, 1.3398874446e-03, 1.5353361823e-04);
  const Floats e = ScaleByPowerOf2(p, k);
  const Floats t = Floats(1.0) / (a + Floats(2.9));
  const Floats r =
      t * Polynomial(MulAdd(t, Floats(-5.8), Floats(1.0)), 7.2527795437e-01, -4.9596544142e-01,
                     2.1131136270e-01, -3.4524624946e-02, -1.3561602162e-02, 5.6585384508e-03,
                     1.7395559804e-03, -7.1922528253e-04, -3.1800961390e-04);
  return {e, e * r};
}
inline Normal<Floats> NormalOf(Floats x) {
  const Tail tail = NormalTail(AtMost(14.5, Abs(x)));
  return {tail.e * Floats(0.39894228040143267794),
          Select(x > Floats(0.0), Floats(1.0) - tail.probability, tail.probability)};
}

// x Phi(x), 0 at -infinity.
inline double Gelu(double x) { return x < -40.0 ? 0.0 : x * NormalOf(x).cumulative; }
inline Floats Gelu(Floats x) {
  const Floats a = AtMost(14.5, Abs(x));
  return AtLeast(0.0, x) - a * NormalTail(a).probability;
}

// f applied lane by lane, for what has no vector form.
template <typename F>
double PerLane(F f, double a, double b) {
  return f(a, b);
}
template <typename F>
Floats PerLane(F f, Floats a, Floats b) {
  float x[kLanes<float>], y[kLanes<float>];
  Store(a, x);
  Store(b, y);
  for (int64_t i = 0; i < kLanes<float>; ++i) x[i] = f(x[i], y[i]);
  return Load(x);
}

template <typename N>
N Pow(N x, N p) {
  return PerLane([](auto x, auto p) { return std::pow(x, p); }, x, p);
}

}  // namespace palimpsest

#endif  // KERNELS_VECTOR_MATH_H_
