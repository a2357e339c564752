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

// x 2^k, in two steps so that neither factor leaves the range.
inline Floats ScaleByPowerOf2(Floats x, hn::Vec<IntTag> k) {
  const IntTag di;
  const auto power = [&](auto k) {
    return Floats(hn::BitCast(FloatTag(), hn::ShiftLeft<23>(hn::Add(k, hn::Set(di, 127)))));
  };
  const auto half = hn::ShiftRight<1>(k);
  return x * power(half) * power(hn::Sub(k, half));
}

inline double Exp(double x) { return std::exp(x); }
// e^x = 2^k e^r, |r| <= log(2) / 2 (Cephes).
inline Floats Exp(Floats x) {
  x = Select(x > Floats(90.0), Floats(90.0), Select(x < Floats(-105.0), Floats(-105.0), x));
  const auto k = hn::NearestInt((x * Floats(1.44269504088896341)).lanes);
  const Floats kf = hn::ConvertTo(FloatTag(), k);
  const Floats r = MulAdd(kf, Floats(2.12194440e-4), MulAdd(kf, Floats(-0.693359375), x));
  const Floats p = Polynomial(r, 5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3,
                              1.3981999507e-3, 1.9875691500e-4);
  return ScaleByPowerOf2(MulAdd(p, r * r, r + Floats(1.0)), k);
}

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
  const FloatsMask large = u > Floats(0.41421356);
  return LogOfParts(Select(large, (u - Floats(1.0)) * Floats(0.5), u),
                    Select(large, Floats(1.0), Floats(0.0)));
}

inline double Tanh(double x) { return std::tanh(x); }
inline Floats Tanh(Floats x) {
  const Floats a = Abs(x), z = x * x;
  const Floats small = MulAdd(z * x,
                              Polynomial(z, -3.33332819422e-1, 1.33314432036e-1, -5.37397155531e-2,
                                         2.06390887954e-2, -5.70498872745e-3),
                              x);
  const Floats large = Floats(1.0) - Floats(2.0) / (Exp(a + a) + Floats(1.0));
  return Select(a < Floats(0.625), small, CopySign(large, x));
}

template <typename N>
N Sigmoid(N x) {
  return N(1.0) / (N(1.0) + Exp(-x));
}

template <typename N>
N Softplus(N x) {
  return Max(x, N(0.0)) + Log1pUnit(Exp(-Abs(x)));
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
// Phi(-a) = e^(-a^2/2) r(a), where a smooth r, fitted in (a - 3.5) / (a + 3.5), keeps the tail's
// digits (Shepherd & Laframboise 1981).
inline Normal<Floats> NormalOf(Floats x) {
  const Floats a = Select(Abs(x) > Floats(14.5), Floats(14.5), Abs(x));
  const Floats square = a * a, rest = MulAdd(a, a, -square);
  const Floats e = Exp(square * Floats(-0.5)) * MulAdd(rest, Floats(-0.5), Floats(1.0));
  const Floats q = (a - Floats(3.5)) / (a + Floats(3.5));
  const Floats r = Polynomial(q, 3.855011793e-01, -1.200693772e-01, 3.205418195e-02,
                              1.312646245e-02, -1.792906028e-02, 7.390048753e-03, -1.314012280e-04,
                              -9.524171176e-04, 1.104477003e-04, 1.106366325e-04);
  const Floats tail = e * r / MulAdd(a, Floats(0.75), Floats(1.0));
  return {e * Floats(0.39894228040143267794), Select(x > Floats(0.0), Floats(1.0) - tail, tail)};
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
