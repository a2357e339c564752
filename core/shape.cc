#include "core/shape.h"

#include <algorithm>

#include "core/check.h"

namespace palimpsest {

int64_t NumElements(const Shape& shape) {
  int64_t n = 1;
  for (int64_t d : shape) {
    PALIMPSEST_CHECK(d >= 0 && !__builtin_mul_overflow(n, d, &n)) << "bad shape " << shape;
  }
  return n;
}

std::string ToString(const Shape& shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? "," : "") + std::to_string(shape[i]);
  return s + "]";
}

std::ostream& operator<<(std::ostream& os, const Shape& shape) { return os << ToString(shape); }

int NormalizeAxis(int axis, int rank) {
  const int a = axis < 0 ? axis + rank : axis;
  PALIMPSEST_CHECK(a >= 0 && a < rank) << "axis " << axis << " of a tensor of rank " << rank;
  return a;
}

Shape Broadcast(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (const Shape* s : {&a, &b}) {
    for (size_t i = 0; i < s->size(); ++i) {
      int64_t& d = out[out.size() - s->size() + i];
      const int64_t e = (*s)[i];
      PALIMPSEST_CHECK(d == 1 || e == 1 || d == e) << a << " and " << b << " do not broadcast";
      if (d == 1) d = e;
    }
  }
  return out;
}

}  // namespace palimpsest
