// Each family of kernels at sizes beside those of warps and packs, broadcast along either axis.
#include <vector>

#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/layout.h"
#include "ops/linalg.h"
#include "ops/loss.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/rope.h"
#include "ops/softmax.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

const Shape kSizes[] = {{0, 65}, {65, 0}, {1, 63}, {63, 1}, {65, 65}, {63, 100}, {100, 65}};

// x [rows, columns], a row [columns] and a column [rows, 1].
std::vector<Inputs> Matrices() {
  std::vector<Inputs> cases;
  for (const Shape& s : kSizes) cases.push_back(Reals({s, {s[1]}, {s[0], 1}}, 0.5, 1.5));
  return cases;
}

// And a mask [columns].
std::vector<Inputs> Masked() {
  std::vector<Inputs> cases = Matrices();
  for (Inputs& inputs : cases) inputs = inputs + Ints({inputs[1].shape}, 0, 2);
  return cases;
}

// x [rows, columns], and a label for each row where there are columns.
std::vector<Inputs> Labelled() {
  std::vector<Inputs> cases;
  for (const Shape& s : kSizes) {
    if (s[1] > 0) cases.push_back(Reals({s}, -4, 4) + Ints({{s[0]}}, 0, static_cast<int>(s[1])));
  }
  return cases;
}

// [1, rows, heads, columns], which must be even.
std::vector<Inputs> Tokens(int64_t heads) {
  std::vector<Inputs> cases;
  for (const Shape& s : kSizes) cases.push_back(Reals({{1, s[0], heads, s[1] / 2 * 2}}));
  return cases;
}

// A filter of four taps for each column.
std::vector<Inputs> Filtered() {
  std::vector<Inputs> cases;
  for (const Shape& s : kSizes) cases.push_back(Reals({{1, s[0], s[1]}, {s[1], 4}}));
  return cases;
}

const std::vector<OpRow> kRows = {
    {.name = "sizes_broadcast",
     .cases = Matrices(),
     .f = [](const Tensors& x) { return Div(Mul(Add(x[0], x[1]), x[2]), Maximum(x[1], x[2])); },
     .tolerance = 4.0,  // Of a sum of quotients, which may all but cancel.
     .bf16 = false},
    {.name = "sizes_where",
     .cases = Masked(),
     .f = [](const Tensors& x) { return Where(x[3], x[2], x[0]); }},
    {.name = "sizes_sums",
     .cases = Matrices(),
     .f =
         [](const Tensors& x) {
           return Tensors{Sum(x[0], {0}),  Sum(x[0], {1}),       Sum(x[0]),
                          Norm(x[0], {1}), LogSumExp(x[0], {0}), LogSumExp(x[0], {1})};
         }},
    {.name = "sizes_running_sums",
     .cases = Matrices(),
     .f =
         [](const Tensors& x) {
           return Tensors{CumSum(x[0], 0), CumSum(x[0], 1, true), LogCumSumExp(x[0], 1)};
         },
     .bf16 = false},
    {.name = "sizes_softmax",
     .cases = Matrices(),
     .f =
         [](const Tensors& x) {
           return Tensors{Softmax(x[0]), LogSoftmax(x[0])};
         }},
    {.name = "sizes_norms",
     .cases = Matrices(),
     .f =
         [](const Tensors& x) {
           return Tensors{RmsNorm(x[0], x[1], 0.1), LayerNorm(x[0], x[1], x[1], 0.1),
                          L2Normalize(x[0], 0.1)};
         }},
    {.name = "sizes_matmul",
     .cases = Matrices(),
     .f =
         [](const Tensors& x) {
           return Tensors{MatMul(x[0], x[2], {.a = true}), MatMul(x[0], x[0], {.b = true})};
         }},
    {.name = "sizes_layout",
     .cases = Matrices(),
     .f =
         [](const Tensors& x) {
           const int64_t rows = x[0].dim(0);
           return Tensors{Permute(x[0], {1, 0}), Concat({x[0], x[2], x[0]}, 1), Pad(x[0], 0, 1, 2),
                          Slice(x[0], 0, rows / 2, rows)};
         }},
    {.name = "sizes_rows_of_a_table",
     .cases = {Reals({{65, 63}}) + Ints({{100}}, 0, 65), Reals({{1, 100}}) + Ints({{63}}, 0, 1),
               Reals({{100, 1}}) + Ints({{65}}, 0, 100), Reals({{63, 65}}) + Ints({{0}}, 0, 1)},
     .f = [](const Tensors& x) { return Gather(x[0], x[1]); },
     .bf16_tolerance = 3.0},
    {.name = "sizes_cross_entropy",
     .cases = Labelled(),
     .f = [](const Tensors& x) { return CrossEntropy(x[0], x[1]); }},
    {.name = "sizes_rope", .cases = Tokens(1), .f = [](const Tensors& x) { return Rope(x[0], 3); }},
    {.name = "sizes_conv", .cases = Filtered(), .f = [](const Tensors& x) {
       return CausalConv1d(x[0], x[1]);
     }}};

}  // namespace

PALIMPSEST_OP_ROWS(Sizes, kRows);

}  // namespace palimpsest
