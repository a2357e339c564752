#include <cmath>

#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

using Reduce = Tensor (*)(const Tensor&, const std::vector<int>&, bool);

const std::vector<Shape> kShapes = {{2, 3, 4}, {1, 1, 1}, {63, 5, 65}, {3, 100, 1},
                                    {0, 2, 3}, {2, 0, 3}, {9, 151, 63}};
const std::vector<Shape> kWhole = {{2, 3, 4}, {}, {65}, {100, 1, 63}, {129, 513}};

std::vector<Inputs> Uniform(const std::vector<Shape>& shapes) {
  std::vector<Inputs> cases;
  for (const Shape& shape : shapes) cases.push_back(Reals({shape}));
  return cases;
}

// The largest ones far apart: no two change places under a small step.
std::vector<Inputs> Spread(const std::vector<Shape>& shapes) {
  std::vector<Inputs> cases;
  for (const Shape& shape : shapes) {
    cases.push_back(Drawn({shape}, [](double u) { return 1.0 / std::sqrt(1.0 - u); }));
  }
  return cases;
}

// The last axis, one in the middle, the first and last.
OpRow Reduction(const char* name, Reduce reduce, std::vector<Inputs> cases = Uniform(kShapes)) {
  return {.name = name, .cases = std::move(cases), .f = [reduce](const Tensors& x) {
            return Tensors{reduce(x[0], {-1}, false), reduce(x[0], {1}, true),
                           reduce(x[0], {0, 2}, false)};
          }};
}

OpRow OverAll(const char* name, Reduce reduce, std::vector<Inputs> cases = Uniform(kWhole)) {
  return {.name = name, .cases = std::move(cases), .f = [reduce](const Tensors& x) {
            return reduce(x[0], {}, false);
          }};
}

using ScanOp = Tensor (*)(const Tensor&, int, bool);

OpRow Scan(const char* name, ScanOp scan, bool reverse, std::vector<Inputs> cases) {
  return {.name = name, .cases = std::move(cases), .f = [scan, reverse](const Tensors& x) {
            return Tensors{scan(x[0], -1, reverse), scan(x[0], 0, reverse)};
          }};
}

const std::vector<Inputs> kSmall = {Reals({{2, 3}}), Reals({{1}}), Reals({{0, 2}}), Reals({{3, 0}}),
                                    Reals({{7, 65}})};
std::vector<Inputs> AndLarge() {
  std::vector<Inputs> cases = kSmall;
  cases.push_back(Reals({{40, 33, 63}}));
  return cases;
}

std::vector<OpRow> Rows() {
  return {
      Reduction("sum", Sum),
      Reduction("mean", Mean),
      Reduction("max", Max, Spread(kShapes)),
      Reduction("log_sum_exp", LogSumExp),
      Reduction("norm", Norm),
      OverAll("sum_all", Sum),
      OverAll("mean_all", Mean),
      OverAll("max_all", Max, Spread(kWhole)),
      OverAll("log_sum_exp_all", LogSumExp),
      OverAll("norm_all", Norm),
      Scan("cum_sum", CumSum, false, AndLarge()),
      Scan("cum_sum_reverse", CumSum, true, AndLarge()),
      Scan("log_cum_sum_exp", LogCumSumExp, false, kSmall),
      Scan("log_cum_sum_exp_reverse", LogCumSumExp, true, kSmall),
  };
}

PALIMPSEST_OP_ROWS(Reduce, Rows());

}  // namespace
}  // namespace palimpsest
