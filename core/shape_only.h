#ifndef CORE_SHAPE_ONLY_H_
#define CORE_SHAPE_ONLY_H_

#include "core/dtype.h"
#include "core/shape.h"
#include "core/tensor.h"

namespace palimpsest {

// A tensor without memory, of any size: to be counted, and replaced before its elements are wanted.
// Its raw() is null.
Tensor ShapeOnly(Shape shape, DType dtype);

}  // namespace palimpsest

#endif  // CORE_SHAPE_ONLY_H_
