#ifndef TESTS_GRADCHECK_H_
#define TESTS_GRADCHECK_H_

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

// Normal, of the shape and dtype of each tensor; none for one that is not floating point.
Tensors RandomLike(const Tensors& xs, uint64_t seed);

// Of the outputs f(x), paired with the cotangents `dys`; none for an input that is not floating
// point.
Tensors Gradients(const Function& f, const Tensors& x, const Tensors& dys);

// The function (x..., dys...) -> Gradients(f, x, dys), to differentiate again.
Function GradientOf(const Function& f, size_t inputs);

// Checks <vjp(dy), dx> = <dy, df(x; dx)> in one random direction (dx, dy), the right side by
// central differences. x in f64; integer inputs stay as they are.
void CheckGradient(const Function& f, const Tensors& x, double tolerance = 1e-6, uint64_t seed = 0);
// The same for the gradient of the gradient, with respect to x and dy.
void CheckSecondGradient(const Function& f, const Tensors& x, double tolerance = 1e-6,
                         uint64_t seed = 0);

// RMS(a - b) / RMS(b) in f64: one number for "the same up to rounding". 0 where neither has
// elements or all is 0; NaN counts as equal where both are NaN, infinities where they are equal.
double Distance(const Tensor& a, const Tensor& b);

// Same shape, dtype and bits.
bool SameBits(const Tensor& a, const Tensor& b);

}  // namespace palimpsest

#endif  // TESTS_GRADCHECK_H_
