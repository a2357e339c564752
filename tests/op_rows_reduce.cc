#include "ops/reduce.h"

#include "ops/elementwise.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

using Reduce = Tensor (*)(const Tensor&, const std::vector<int>&, bool);

// The last axis, one in the middle, the first and last, all.
OpRow Reduction(const char* name, Reduce reduce, bool over_nothing = true) {
  std::vector<Inputs> cases = {Reals({{2, 3, 4}}), Reals({{1, 1, 1}}), Reals({{63, 5, 65}}), Reals({{3, 100, 1}}),
                               Reals({{0, 2, 3}}), Reals({{17, 301, 63}})};
  if (over_nothing) cases.push_back(Reals({{2, 0, 3}}));
  return {.name = name, .cases = cases, .f = [reduce](const Tensors& x) {
            return Tensors{reduce(x[0], {-1}, false), reduce(x[0], {1}, true), reduce(x[0], {0, 2}, false)};
          }};
}

OpRow OverAll(const char* name, Reduce reduce) {
  return {.name = name,
          .cases = {Reals({{2, 3, 4}}), Reals({{}}), Reals({{65}}), Reals({{100, 1, 63}}), Reals({{300, 1001}})},
          .f = [reduce](const Tensors& x) { return reduce(x[0], {}, false); }};
}

using ScanOp = Tensor (*)(const Tensor&, int, bool);

OpRow Scan(const char* name, ScanOp scan, bool reverse, std::vector<Inputs> cases) {
  return {.name = name, .cases = std::move(cases), .f = [scan, reverse](const Tensors& x) {
            return Tensors{scan(x[0], -1, reverse), scan(x[0], 0, reverse)};
          }};
}

const std::vector<Inputs> kSmall = {Reals({{2, 3}}), Reals({{1}}), Reals({{0, 2}}), Reals({{3, 0}}), Reals({{7, 65}})};
std::vector<Inputs> AndLarge() {
  std::vector<Inputs> cases = kSmall;
  cases.push_back(Reals({{100, 33, 63}}));
  return cases;
}

PALIMPSEST_OP_ROWS(Reduce, ({
                               Reduction("sum", Sum),
                               Reduction("mean", Mean, false),
                               Reduction("max", Max),
                               Reduction("log_sum_exp", LogSumExp),
                               Reduction("norm", Norm, false),
                               OverAll("sum_all", Sum),
                               OverAll("mean_all", Mean),
                               OverAll("max_all", Max),
                               OverAll("log_sum_exp_all", LogSumExp),
                               OverAll("norm_all", Norm),
                               Scan("cum_sum", CumSum, false, AndLarge()),
                               Scan("cum_sum_reverse", CumSum, true, AndLarge()),
                               Scan("log_cum_sum_exp", LogCumSumExp, false, kSmall),
                               Scan("log_cum_sum_exp_reverse", LogCumSumExp, true, kSmall),
                           }));

}  // namespace
}  // namespace palimpsest
