// What is read from the stream between layers, and written to it.
#include "ops/channel_sum.h"
#include "ops/delta_residual.h"
#include "ops/elementwise.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

// Stream, direction, beta and v.
Inputs Of(const Shape& rows, int64_t channels, int64_t width) {
  const auto with = [&](std::initializer_list<int64_t> more) {
    Shape shape = rows;
    shape.insert(shape.end(), more);
    return shape;
  };
  return Reals({with({channels, width}), with({width})}) + Reals({rows}, 0.1, 1.9) +
         Reals({with({channels})});
}

std::vector<Inputs> Cases() {
  return {Of({2, 3}, 1, 5), Of({4}, 3, 33),   Of({}, 2, 7),     Of({3}, 1, 1),    Of({0}, 2, 4),
          Of({2}, 0, 3),    Of({2, 1}, 2, 0), Of({129}, 4, 65), Of({2, 5}, 5, 16)};
}

Tensor Write(const Tensors& x, const DeltaResidualOptions& options) {
  const auto wide = [](const Tensor& t) {
    return t.dtype() == DType::kBf16 ? Cast(t, DType::kF32) : t;
  };
  return DeltaResidual(x[0], x[1], wide(x[2]), wide(x[3]), options);
}

const std::vector<OpRow> kReadRows = {
    {.name = "channel_sum",
     .cases = {Reals({{2, 3, 5}, {3, 5}}), Reals({{3, 5}, {3, 5}}), Reals({{2, 2, 1, 33}, {1, 33}}),
               Reals({{0, 2, 3}, {2, 3}}), Reals({{2, 0, 3}, {0, 3}}), Reals({{2, 3, 0}, {3, 0}}),
               Reals({{3, 129, 4, 65}, {4, 65}})},
     .f = [](const Tensors& x) { return ChannelSum(x[0], x[1]); },
     .bad = {Reals({{2, 3, 5}, {5, 3}}), Reals({{2, 3, 5}, {3, 1}}), Reals({{5}, {1, 5}})}},
};

const std::vector<OpRow> kWriteRows = {
    // A large eps, or the gradient of the direction of few numbers is a difference of equal ones.
    {.name = "delta_residual",
     .cases = Cases(),
     .f = [](const Tensors& x) { return Write(x, {.eps = 0.3}); },
     .tolerance = 2.0,
     .bad = {Reals({{2, 3, 5}, {2, 5}, {3}, {2, 3}}), Reals({{2, 3, 5}, {2, 3}, {2}, {2, 3}}),
             Reals({{2, 3, 5}, {2, 5}, {2}, {2, 5}}), Reals({{5}, {5}, {}, {}})}},
    {.name = "delta_residual_written_to_only",
     .cases = Cases(),
     .f = [](const Tensors& x) { return Write(x, {.erase = false, .eps = 0.3}); },
     .tolerance = 2.0},
    {.name = "delta_residual_eps",
     .cases = {Of({2, 3}, 1, 5), Of({4}, 3, 33)},
     .f = [](const Tensors& x) { return Write(x, {}); },
     .tolerance = 2.0},
};

PALIMPSEST_OP_ROWS(ChannelSum, kReadRows);
PALIMPSEST_OP_ROWS(DeltaResidual, kWriteRows);

}  // namespace
}  // namespace palimpsest
