#ifndef CORE_SCALAR_H_
#define CORE_SCALAR_H_

namespace palimpsest {

// A number that a kernel is told: plus + times *at, for an f64 where the tensors are, which may be
// another whenever a launch that a device has recorded is made again; or plus alone.
struct Scalar {
  double plus = 0.0, times = 0.0;
  const double* at = nullptr;

  constexpr Scalar(double value = 0.0) : plus(value) {}  // NOLINT: the same thing.
  constexpr explicit Scalar(const double* at, double times = 1.0, double plus = 0.0)
      : plus(plus), times(times), at(at) {}

  // For kernels that can read it.
  double Value() const { return at == nullptr ? plus : plus + times * *at; }
};

}  // namespace palimpsest

#endif  // CORE_SCALAR_H_
