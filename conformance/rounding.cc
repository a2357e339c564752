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

double Bound(Device device, double exact, double moved) {
  const double roundings = device == Device::kCpu ? 100.0 : 10000.0;
  return std::max(exact, roundings * moved);
}

double BoundOn(Device device, double exact, const Problem& p,
               absl::FunctionRef<Results(const Problem&)> run) {
  if (device == Device::kCpu) return exact;
  return Bound(device, exact, LargestDistance(run(Rounded(p, 0x1p-53)), run(p)));
}

}  // namespace palimpsest
