#include "conformance/rounding.h"

#include <algorithm>
#include <utility>

#include "conformance/gradients.h"
#include "ops/elementwise.h"

namespace palimpsest {

namespace {

Problem Rounded(const Problem& p, double epsilon, uint64_t seed) {
  Tensors inputs = p.Inputs();
  const Tensors noise = RandomLike(inputs, seed);
  for (size_t i = 0; i < inputs.size(); ++i)
    inputs[i] = Add(inputs[i], Mul(Mul(inputs[i], noise[i]), epsilon));
  return p.With(inputs);
}

}  // namespace

Moved::Moved(const Problem& p, double epsilon, const Results& results,
             std::function<Results(const Problem&)> run)
    : p_(p), epsilon_(epsilon), results_(results), run_(std::move(run)) {}

double Moved::operator()() const {
  constexpr uint64_t kFirst = 99, kCount = 4;
  if (most_) return *most_;
  most_ = 0.0;
  for (uint64_t seed = kFirst; seed < kFirst + kCount; ++seed)
    most_ = std::max(*most_, LargestDistance(run_(Rounded(p_, epsilon_, seed)), results_));
  return *most_;
}

void Compare(const Results& got, const Results& want, const std::string& where, double exact,
             const Moved& moved, Measurements* out) {
  const bool kept = LargestDistance(got, want) <= exact;
  Compare(got, want, where, kept ? exact : std::max(exact, 100.0 * moved()), out);
}

}  // namespace palimpsest
