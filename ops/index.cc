#include "ops/index.h"

#include <utility>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/index.h"

namespace palimpsest {
namespace {

// The sizes of an op on the rows of a table, and the ids that name them.
IndexArgs NamedRows(const Shape& table, DType dtype, const Tensor& ids) {
  PALIMPSEST_CHECK(!IsFloat(ids.dtype())) << "ids " << ids << " of " << table;
  const IndexArgs args{.rows = table[0],
                       .width = NumElements(Shape(table.begin() + 1, table.end())),
                       .count = ids.size(),
                       .dtype = dtype,
                       .id_dtype = ids.dtype(),
                       .ids = ids.raw()};
  if (ids.device() != Device::kCpu) return args;
  const int64_t bad = find_bad_id(ids.device(), args);
  PALIMPSEST_CHECK(bad < 0) << "id " << static_cast<int64_t>(ids.ToVector()[bad]) << " at place "
                            << bad << " of " << ids << " is no row of " << table;
  return args;
}

// Row r of the result [shape] is the sum of dy's rows at the ids equal to r: the adjoint of Gather.
Tensor ScatterAdd(const Tensor& dy, const Tensor& ids, const Shape& shape) {
  const OpScope scope("scatter_add");
  Tensor table = Tensor::Empty(shape, dy.dtype(), dy.device());
  IndexArgs args = NamedRows(shape, dy.dtype(), ids);
  args.from = dy.raw(), args.to = table.mutable_raw();
  scatter_add(dy.device(), args);
  return Record(std::move(table),
                {{dy, [ids](const Tensor& dtable) { return Gather(dtable, ids); }}});
}

}  // namespace

Tensor Gather(const Tensor& table, const Tensor& given) {
  const OpScope scope("gather");
  PALIMPSEST_CHECK(table.rank() > 0 &&
                   (given.device() == table.device() || given.device() == Device::kCpu))
      << table << " at " << given;
  if (given.device() != table.device()) NamedRows(table.shape(), table.dtype(), given);
  const Tensor ids = CopyTo(given, table.device());
  Shape shape = ids.shape();
  shape.insert(shape.end(), table.shape().begin() + 1, table.shape().end());
  IndexArgs args = NamedRows(table.shape(), table.dtype(), ids);
  Tensor y = Tensor::Empty(std::move(shape), table.dtype(), table.device());
  args.from = table.raw(), args.to = y.mutable_raw();
  gather(table.device(), args);
  return Record(std::move(y), {{table, [ids, shape = table.shape()](const Tensor& dy) {
                                  return ScatterAdd(dy, ids, shape);
                                }}});
}

Tensor OneHot(const Tensor& ids, int64_t classes, DType dtype) {
  const OpScope scope("one_hot");
  PALIMPSEST_CHECK(classes >= 0) << classes << " classes";
  IndexArgs args = NamedRows({classes}, dtype, ids);
  Shape shape = ids.shape();
  shape.push_back(classes);
  Tensor y = Tensor::Empty(std::move(shape), dtype, ids.device());
  args.to = y.mutable_raw();
  one_hot(ids.device(), args);
  return y;
}

}  // namespace palimpsest
