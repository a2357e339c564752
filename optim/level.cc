#include "optim/level.h"

#include "ops/elementwise.h"

namespace palimpsest {

Tensor ScalarLike(const Tensor& scalar, const Tensor& like) {
  return CopyTo(Cast(scalar, like.dtype()), like.device());
}

Shape MatrixShape(const Shape& shape) {
  if (shape.empty()) return {1, 1};
  return {shape[0], NumElements(Shape(shape.begin() + 1, shape.end()))};
}

}  // namespace palimpsest
