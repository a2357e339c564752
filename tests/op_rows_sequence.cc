#include "core/random.h"
#include "ops/conv.h"
#include "ops/dropout.h"
#include "ops/rope.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

const std::vector<OpRow> kConvRows = {
    // Also shorter than the history, and a width of 1.
    {.name = "causal_conv1d",
     .cases = {Reals({{2, 5, 3}, {3, 4}}), Reals({{2, 2, 3}, {3, 4}}), Reals({{1, 1, 1}, {1, 4}}),
               Reals({{1, 4, 2}, {2, 1}}), Reals({{2, 0, 3}, {3, 4}}), Reals({{0, 2, 3}, {3, 4}}),
               Reals({{3, 129, 133}, {133, 3}})},
     .f = [](const Tensors& x) { return CausalConv1d(x[0], x[1]); },
     .tolerance = 2.0,
     .bad = {Reals({{2, 5, 3}, {4, 4}}), Reals({{5, 3}, {3, 4}}), Reals({{2, 5, 3}, {3, 0}})}},
    {.name = "causal_conv1d_all",
     .cases = {Reals({{2, 5, 3}, {3, 4}, {3}, {2, 3, 3}}),
               Reals({{2, 1, 3}, {3, 4}, {3}, {2, 3, 3}}),
               Reals({{2, 0, 3}, {3, 4}, {3}, {2, 3, 3}}),
               Reals({{1, 3, 0}, {0, 2}, {0}, {1, 1, 0}}),
               Reals({{2, 3, 5}, {5, 1}, {5}, {2, 0, 5}}),
               Reals({{2, 70, 129}, {129, 4}, {129}, {2, 3, 129}})},
     .f = [](const Tensors& x) { return CausalConv1d(x[0], x[1], x[2], x[3]); },
     .tolerance = 2.0,
     .bad = {Reals({{2, 5, 3}, {3, 4}, {3}, {2, 4, 3}}),
             Reals({{2, 5, 3}, {3, 4}, {4}, {2, 3, 3}})},
     .op = "causal_conv1d"},
};

const std::vector<OpRow> kRopeRows = {
    {.name = "rope",
     .cases = {Reals({{2, 3, 2, 4}}), Reals({{1, 1, 1, 2}}), Reals({{2, 0, 1, 4}}),
               Reals({{1, 2, 3, 0}}), Reals({{2, 130, 3, 34}})},
     .f = [](const Tensors& x) { return Rope(x[0], 61, 100.0); },
     .bad = {Reals({{2, 3, 2, 3}}), Reals({{2, 3, 4}})}},
};

const std::vector<OpRow> kDropoutRows = {
    {.name = "dropout",
     .cases = {Reals({{3, 5}}), Reals({{0, 3}}), Reals({{}}), Reals({{301, 133}})},
     .f = [](const Tensors& x) { return Dropout(x[0], 0.3, RandomStream(3, "dropout", 1)); }},
    {.name = "dropout_at_a_step",
     .cases = {Reals({{3, 5}}), Reals({{0, 3}}), Reals({{301, 133}})},
     .f =
         [](const Tensors& x) {
           const Tensor step = CopyTo(Tensor::From<int64_t>({}, {1}), x[0].device());
           return Dropout(x[0], 0.3, RandomStream(3, "dropout"), step);
         }},
};

PALIMPSEST_OP_ROWS(Conv, kConvRows);
PALIMPSEST_OP_ROWS(Rope, kRopeRows);
PALIMPSEST_OP_ROWS(Dropout, kDropoutRows);

}  // namespace
}  // namespace palimpsest
