#include "ops/layout.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/copy.h"

namespace palimpsest {
namespace {

// A tensor around one axis: [outer, extent, inner].
struct Around {
  Around(const Shape& shape, int axis) : extent(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }
  int64_t outer = 1, extent, inner = 1;
};

Shape WithExtent(Shape shape, int axis, int64_t extent) {
  shape[axis] = extent;
  return shape;
}

// Copies `extent` places along the axis that `from` and `to` are seen around, from the given ones
// on.
void CopyPlaces(int64_t extent, const Tensor& x, const Around& from, int64_t from_place, Tensor& y,
                const Around& to, int64_t to_place) {
  const auto element = static_cast<int64_t>(SizeOf(x.dtype()));
  copy(x.device(), {.element = element,
                    .extents = {from.outer, extent * from.inner},
                    .from_strides = {from.extent * from.inner, 1},
                    .to_strides = {to.extent * to.inner, 1},
                    .from = static_cast<const char*>(x.raw()) + from_place * from.inner * element,
                    .to = static_cast<char*>(y.mutable_raw()) + to_place * to.inner * element});
}

// Places [begin, begin + extent); the buffer itself where they are contiguous.
Tensor TakePlaces(const Tensor& x, int axis, int64_t begin, int64_t extent) {
  const Around from(x.shape(), axis);
  Shape shape = WithExtent(x.shape(), axis, extent);
  if (from.outer == 1) {
    return x.WithShape({from.extent, from.inner})
        .Rows(begin, begin + extent)
        .WithShape(std::move(shape));
  }
  Tensor y = Tensor::Empty(shape, x.dtype(), x.device());
  CopyPlaces(extent, x, from, begin, y, Around(shape, axis), 0);
  return y;
}

void FillPlaces(int64_t begin, int64_t extent, double value, Tensor& y, const Around& to) {
  if (extent == 0) return;
  const Tensor x = Tensor::Full({}, value, y.dtype(), y.device());
  const auto element = static_cast<int64_t>(SizeOf(y.dtype()));
  copy(y.device(), {.element = element,
                    .extents = {to.outer, extent * to.inner},
                    .from_strides = {0, 0},
                    .to_strides = {to.extent * to.inner, 1},
                    .from = x.raw(),
                    .to = static_cast<char*>(y.mutable_raw()) + begin * to.inner * element});
}

Shape InferShape(const Tensor& x, Shape shape) {
  const auto unknown = std::find(shape.begin(), shape.end(), -1);
  if (unknown == shape.end()) return shape;
  int64_t known = 1;
  for (auto d = shape.begin(); d != shape.end(); ++d) known *= d == unknown ? 1 : *d;
  PALIMPSEST_CHECK(known > 0 && x.size() % known == 0)
      << "no extent for the -1 of " << shape << " holds " << x;
  *unknown = x.size() / known;
  return shape;
}

}  // namespace

Tensor Reshape(const Tensor& x, Shape shape) {
  const OpScope scope("reshape");
  return Record(x.WithShape(InferShape(x, std::move(shape))),
                {{x, [shape = x.shape()](const Tensor& dy) { return Reshape(dy, shape); }}});
}

Tensor Permute(const Tensor& x, const std::vector<int>& order) {
  const OpScope scope("permute");
  const int rank = x.rank();
  std::vector<int> inverse(rank, -1);
  PALIMPSEST_CHECK(static_cast<int>(order.size()) == rank) << order.size() << " axes for " << x;
  const Shape strides = DenseStrides(x.shape());
  Shape shape(rank), from_strides(rank);
  for (int i = 0; i < rank; ++i) {
    const int axis = NormalizeAxis(order[i], rank);
    PALIMPSEST_CHECK(inverse[axis] == -1) << "axis " << axis << " of " << x << " named twice";
    inverse[axis] = i;
    shape[i] = x.dim(axis);
    from_strides[i] = strides[axis];
  }
  Tensor y = Tensor::Empty(shape, x.dtype(), x.device());
  copy(x.device(), {.element = static_cast<int64_t>(SizeOf(x.dtype())),
                    .extents = shape,
                    .from_strides = std::move(from_strides),
                    .to_strides = DenseStrides(shape),
                    .from = x.raw(),
                    .to = y.mutable_raw()});
  return Record(
      std::move(y),
      {{x, [inverse = std::move(inverse)](const Tensor& dy) { return Permute(dy, inverse); }}});
}

Tensor Slice(const Tensor& x, int axis, int64_t begin, int64_t end) {
  const OpScope scope("slice");
  axis = NormalizeAxis(axis, x.rank());
  const int64_t extent = x.dim(axis);
  PALIMPSEST_CHECK(0 <= begin && begin <= end && end <= extent)
      << "[" << begin << ", " << end << ") of axis " << axis << " of " << x;
  return Record(TakePlaces(x, axis, begin, end - begin),
                {{x, [=](const Tensor& dy) { return Pad(dy, axis, begin, extent - end); }}});
}

Tensor Concat(const Tensors& xs, int axis) {
  const OpScope scope("concat");
  PALIMPSEST_CHECK(!xs.empty()) << "of no tensors";
  const Tensor& first = xs[0];
  axis = NormalizeAxis(axis, first.rank());
  std::vector<int64_t> extents;
  int64_t total = 0;
  for (const Tensor& x : xs) {
    PALIMPSEST_CHECK(x.rank() == first.rank() && x.dtype() == first.dtype() &&
                     x.device() == first.device() &&
                     WithExtent(x.shape(), axis, first.dim(axis)) == first.shape())
        << first << " and " << x << " along axis " << axis;
    extents.push_back(x.dim(axis));
    total += x.dim(axis);
  }
  Tensor y = Tensor::Empty(WithExtent(first.shape(), axis, total), first.dtype(), first.device());
  const Around to(y.shape(), axis);
  int64_t place = 0;
  for (const Tensor& x : xs) {
    CopyPlaces(x.dim(axis), x, Around(x.shape(), axis), 0, y, to, place);
    place += x.dim(axis);
  }
  return Record({std::move(y)}, xs, [axis, extents = std::move(extents)](const Tensors& dys) {
    return Split(dys[0], extents, axis);
  })[0];
}

Tensors Split(const Tensor& x, const std::vector<int64_t>& extents, int axis) {
  const OpScope scope("split");
  axis = NormalizeAxis(axis, x.rank());
  Tensors parts;
  int64_t begin = 0;
  for (const int64_t extent : extents) {
    PALIMPSEST_CHECK(extent >= 0 && begin + extent <= x.dim(axis))
        << "part " << parts.size() << ", " << extent << " long from " << begin << ", of axis "
        << axis << " of " << x;
    parts.push_back(TakePlaces(x, axis, begin, extent));
    begin += extent;
  }
  PALIMPSEST_CHECK(begin == x.dim(axis))
      << "parts of " << begin << " in all of axis " << axis << " of " << x;
  return Record(std::move(parts), {x},
                [axis, extents, shape = x.shape(), dtype = x.dtype(),
                 device = x.device()](Tensors dys) -> Tensors {
                  for (size_t i = 0; i < dys.size(); ++i) {
                    if (!dys[i])
                      dys[i] =
                          Tensor::Full(WithExtent(shape, axis, extents[i]), 0.0, dtype, device);
                  }
                  return {Concat(dys, axis)};
                });
}

Tensor Pad(const Tensor& x, int axis, int64_t before, int64_t after, double value) {
  const OpScope scope("pad");
  axis = NormalizeAxis(axis, x.rank());
  const int64_t extent = x.dim(axis);
  PALIMPSEST_CHECK(before >= 0 && after >= 0)
      << before << " before and " << after << " after axis " << axis << " of " << x;
  Tensor y =
      Tensor::Empty(WithExtent(x.shape(), axis, before + extent + after), x.dtype(), x.device());
  const Around to(y.shape(), axis);
  FillPlaces(0, before, value, y, to);
  CopyPlaces(extent, x, Around(x.shape(), axis), 0, y, to, before);
  FillPlaces(before + extent, after, value, y, to);
  return Record(std::move(y),
                {{x, [=](const Tensor& dy) { return Slice(dy, axis, before, before + extent); }}});
}

}  // namespace palimpsest
