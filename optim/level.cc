#include "optim/level.h"

#include "ops/elementwise.h"

namespace palimpsest {

Tensor ScalarLike(const Tensor& scalar, const Tensor& like) {
  return CopyTo(Cast(scalar, like.dtype()), like.device());
}

Shape MatrixShape(const Shape& shape) {
  if (shape.empty()) return {1, 1};
  const int64_t rows = shape[0], size = NumElements(shape);
  return {rows, size == 0 ? 0 : size / rows};
}

}  // namespace palimpsest
