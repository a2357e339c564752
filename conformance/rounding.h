#ifndef CONFORMANCE_ROUNDING_H_
#define CONFORMANCE_ROUNDING_H_

#include "absl/functional/function_ref.h"
#include "conformance/measure.h"
#include "conformance/problem.h"

namespace palimpsest {

// Two ways to compute the same in f64.
inline constexpr double kExact = 1e-12;

// The problem with roundings of its inputs, relative to their size.
Problem Rounded(const Problem& p, double epsilon);

// `exact`, or as near as some roundings of the inputs, which move a result by `moved`, put it:
// networks with a norm magnify them without bound where they reach zero, and Newton-Schulz does. A
// device also sums in another order than the CPU, which is as good as more of them.
double Bound(Device device, double exact, double moved);

// `exact` on the CPU, elsewhere the Bound of what roundings make of what `run` makes of `p`.
double BoundOn(Device device, double exact, const Problem& p,
               absl::FunctionRef<Results(const Problem&)> run);

}  // namespace palimpsest

#endif  // CONFORMANCE_ROUNDING_H_
