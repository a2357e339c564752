#ifndef CONFORMANCE_GRADIENTS_H_
#define CONFORMANCE_GRADIENTS_H_

#include <cmath>
#include <cstdint>
#include <functional>
#include <type_traits>

#include "core/tensor.h"

namespace palimpsest {

// Tensors to tensors; made of anything callable on Tensors that gives a Tensor or Tensors.
struct Function : std::function<Tensors(const Tensors&)> {
  Function() = default;
  template <typename F>
  requires std::is_invocable_v<const F&, const Tensors&>
  // NOLINTNEXTLINE(google-explicit-constructor): a lambda is a function.
  Function(F f)
      : function([f](const Tensors& x) -> Tensors {
          if constexpr (std::is_same_v<std::invoke_result_t<const F&, const Tensors&>, Tensor>) {
            return {f(x)};
          } else {
            return f(x);
          }
        }) {}
};

// Normal, of the shape and dtype of each tensor and where that is; none for one that is not
// floating point.
Tensors RandomLike(const Tensors& xs, uint64_t seed);

// Of the outputs f(x), paired with the cotangents `dys`; none for an input that is not floating
// point.
Tensors Gradients(const Function& f, const Tensors& x, const Tensors& dys);

// The function (x..., dys...) -> Gradients(f, x, dys), to differentiate again.
Function GradientOf(const Function& f, size_t inputs);

// <dy, df> along one direction: by the tape, and by central differences.
struct Slope {
  double analytic, numeric;
  double Error() const { return std::abs(analytic - numeric) / (1.0 + std::abs(numeric)); }
};
// Of f at x in f64 along `dx`, which has no tensor for an input that stays.
Slope SlopeAlong(const Function& f, const Tensors& x, const Tensors& dx, const Tensors& dys);
// The same for gradients that are known, as from another device.
Slope SlopeAlong(const Tensors& gradients, const Function& f, const Tensors& x, const Tensors& dx,
                 const Tensors& dys);

Tensors CopyAllTo(Tensors xs, Device device);  // Those that there are.

// RMS(a - b) / RMS(b) in f64: one number for "the same up to rounding". 0 where neither has
// elements or all is 0; NaN counts as equal where both are NaN, infinities where they are equal;
// infinite where the shapes differ.
double Distance(const Tensor& a, const Tensor& b);
// The largest Distance between pairs; NaN if one is.
double LargestDistance(const Tensors& a, const Tensors& b);

// Same shape, dtype and bits.
bool SameBits(const Tensor& a, const Tensor& b);

}  // namespace palimpsest

#endif  // CONFORMANCE_GRADIENTS_H_
