#ifndef TESTS_GRADCHECK_H_
#define TESTS_GRADCHECK_H_

#include <cstdint>

#include "conformance/gradients.h"

namespace palimpsest {

// Checks <vjp(dy), dx> = <dy, df(x; dx)> in one random direction (dx, dy), the right side by
// central differences. x in f64; integer inputs stay as they are.
void CheckGradient(const Function& f, const Tensors& x, double tolerance = 1e-6, uint64_t seed = 0);
// The same for the gradient of the gradient, with respect to x and dy.
void CheckSecondGradient(const Function& f, const Tensors& x, double tolerance = 1e-6,
                         uint64_t seed = 0);

}  // namespace palimpsest

#endif  // TESTS_GRADCHECK_H_
