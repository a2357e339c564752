#include "optim/level.h"

#include <utility>

#include "core/check.h"
#include "ops/elementwise.h"

namespace palimpsest {

std::unique_ptr<MemoryRule> BuiltInRule(const std::string& name,
                                        std::map<std::string, double> params,
                                        std::map<std::string, std::string> options) {
  absl::StatusOr<std::unique_ptr<MemoryRule>> rule =
      MakeMemoryRule({name, std::move(params), std::move(options)});
  PALIMPSEST_CHECK(rule.ok()) << rule.status();
  return *std::move(rule);
}

Tensor ScalarLike(const Tensor& scalar, const Tensor& like) {
  return CopyTo(Cast(scalar, like.dtype()), like.device());
}

Shape MatrixShape(const Shape& shape) {
  if (shape.empty()) return {1, 1};
  return {shape[0], NumElements(Shape(shape.begin() + 1, shape.end()))};
}

}  // namespace palimpsest
