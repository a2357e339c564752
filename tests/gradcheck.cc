#include "tests/gradcheck.h"

#include "gtest/gtest.h"

namespace palimpsest {

void CheckGradient(const Function& f, const Tensors& x, double tolerance, uint64_t seed) {
  const Slope slope = SlopeAlong(f, x, RandomLike(x, seed + 1), RandomLike(f(x), seed));
  EXPECT_LE(slope.Error(), tolerance) << slope.analytic << " by the tape, " << slope.numeric;
}

void CheckSecondGradient(const Function& f, const Tensors& x, double tolerance, uint64_t seed) {
  const Tensors dys = RandomLike(f(x), seed + 2);
  // Outputs without a cotangent (integers) drop out, so that all arguments are tensors.
  const Function differentiable = [f](const Tensors& x) {
    Tensors floats;
    for (Tensor& y : f(x)) {
      if (IsFloat(y.dtype())) floats.push_back(std::move(y));
    }
    return floats;
  };
  Tensors all = x;
  for (const Tensor& dy : dys) {
    if (dy) all.push_back(dy);
  }
  CheckGradient(GradientOf(differentiable, x.size()), all, tolerance, seed);
}

}  // namespace palimpsest
