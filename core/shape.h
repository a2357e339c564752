#ifndef CORE_SHAPE_H_
#define CORE_SHAPE_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/container/inlined_vector.h"

namespace palimpsest {

// Extents of a dense row-major tensor, outermost first; empty for a scalar.
struct Shape : absl::InlinedVector<int64_t, 5> {
  using InlinedVector::InlinedVector;
};

int64_t NumElements(const Shape& shape);
std::string ToString(const Shape& shape);  // "[2,3]"
std::ostream& operator<<(std::ostream& os, const Shape& shape);

// Axis in [0, rank); negative ones count from the back.
int NormalizeAxis(int axis, int rank);

// The shape both broadcast to, numpy's rule. Aborts if there is none.
Shape Broadcast(const Shape& a, const Shape& b);

}  // namespace palimpsest

#endif  // CORE_SHAPE_H_
