#ifndef CONFORMANCE_ROUNDING_H_
#define CONFORMANCE_ROUNDING_H_

#include "conformance/measure.h"
#include "conformance/problem.h"

namespace palimpsest {

// Two ways to compute the same in f64, or one way with sums in another order.
inline constexpr double kExact = 1e-11;

// The problem with roundings of its inputs, relative to their size.
Problem Rounded(const Problem& p, double epsilon);

// `exact`, or as near as some roundings of the inputs, which move a result by `moved`, put it:
// networks with a norm magnify them without bound where they reach zero, and Newton-Schulz does.
double Bound(double exact, double moved);

}  // namespace palimpsest

#endif  // CONFORMANCE_ROUNDING_H_
