#include "conformance/rounding.h"

#include <algorithm>

#include "conformance/gradients.h"
#include "ops/elementwise.h"

namespace palimpsest {

Problem Rounded(const Problem& p, double epsilon) {
  Tensors inputs = p.Inputs();
  const Tensors noise = RandomLike(inputs, 99);
  for (size_t i = 0; i < inputs.size(); ++i)
    inputs[i] = Add(inputs[i], Mul(Mul(inputs[i], noise[i]), epsilon));
  return p.With(inputs);
}

double Bound(double exact, double moved) { return std::max(exact, 100.0 * moved); }

}  // namespace palimpsest
