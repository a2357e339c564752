#include "optim/level.h"

#include <utility>

#include "core/check.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "optim/in_place.h"

namespace palimpsest {

std::unique_ptr<MemoryRule> BuiltInRule(const std::string& name,
                                        std::map<std::string, double> params,
                                        std::map<std::string, std::string> options) {
  absl::StatusOr<std::unique_ptr<MemoryRule>> rule =
      MakeMemoryRule({name, std::move(params), std::move(options)});
  PALIMPSEST_CHECK(rule.ok()) << rule.status();
  return *std::move(rule);
}

Tensor ScalarOn(Device device, const Tensor& scalar, DType dtype) {
  // A number that the host knows goes along with a launch, not by a copy.
  if (HostReads(scalar) && !IsTracked(scalar) && device != Device::kCpu)
    return Tensor::Full({}, scalar.Item(), dtype, device);
  return CopyTo(Cast(scalar, dtype), device);
}

Tensor ScalarLike(const Tensor& scalar, const Tensor& like) {
  return ScalarOn(like.device(), scalar, like.dtype());
}

Tensor Correction(const Tensor& keep, const Tensor& count) {
  return Add(Neg(Pow(ScalarOn(count.device(), keep), count)), 1.0);
}

Shape MatrixShape(const Shape& shape) {
  if (shape.empty()) return {1, 1};
  return {shape[0], NumElements(Shape(shape.begin() + 1, shape.end()))};
}

}  // namespace palimpsest
