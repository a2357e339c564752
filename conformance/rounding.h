#ifndef CONFORMANCE_ROUNDING_H_
#define CONFORMANCE_ROUNDING_H_

#include <functional>
#include <optional>
#include <string>

#include "conformance/measure.h"
#include "conformance/problem.h"

namespace palimpsest {

// Two ways to compute the same in f64, or one way with sums in another order.
inline constexpr double kExact = 1e-11;

// How far roundings of a problem's inputs, relative to their size, move what is made of it:
// networks with a norm magnify them without bound where they reach zero, and Newton-Schulz does.
// The most of a few, for one says little; computed when first asked for.
class Moved {
 public:
  // `results` is what `run` makes of p, both of which must outlive this.
  Moved(const Problem& p, double epsilon, const Results& results,
        std::function<Results(const Problem&)> run);
  double operator()() const;

 private:
  const Problem& p_;
  const double epsilon_;
  const Results& results_;
  const std::function<Results(const Problem&)> run_;
  mutable std::optional<double> most_;
};

// Compare, within `exact` or, where that is not kept, 100 times as far as roundings put it.
void Compare(const Results& got, const Results& want, const std::string& where, double exact,
             const Moved& moved, Measurements* out);

}  // namespace palimpsest

#endif  // CONFORMANCE_ROUNDING_H_
