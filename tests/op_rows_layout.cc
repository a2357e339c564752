#include "ops/index.h"
#include "ops/layout.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

const std::vector<OpRow> kLayoutRows = {
    {.name = "reshape",
     .cases = {Reals({{2, 3, 5}}), Reals({{0, 10}}), Reals({{1, 10}}), Reals({{30000, 3}})},
     .f =
         [](const Tensors& x) {
           return Reshape(x[0], {x[0].size() / 5, 5});
         }},
    {.name = "permute",
     .cases = {Reals({{2, 3, 5}}), Reals({{1, 7, 1}}), Reals({{3, 0, 2}}), Reals({{40, 31, 33}})},
     .f =
         [](const Tensors& x) {
           return Permute(x[0], {1, -1, 0});
         },
     .bad = {Reals({{2, 3}})}},
    {.name = "permute_heads",
     .cases = {Reals({{2, 3, 5, 7}}), Reals({{1, 1, 1, 1}}), Reals({{2, 65, 4, 32}})},
     .f =
         [](const Tensors& x) {
           return Permute(x[0], {0, 2, 1, 3});
         }},
    {.name = "slice_rows",
     .cases = {Reals({{5, 3}}), Reals({{5, 0}}), Reals({{5}})},
     .f = [](const Tensors& x) { return Slice(x[0], 0, 1, 4); },
     .bad = {Reals({{3, 3}})},
     .op = "slice"},
    {.name = "slice_columns",
     .cases = {Reals({{3, 5}}), Reals({{2, 5, 7}}), Reals({{0, 5}}), Reals({{300, 5, 33}})},
     .f = [](const Tensors& x) { return Slice(x[0], 1, 2, 5); }},
    {.name = "slice_nothing",
     .cases = {Reals({{3, 5}}), Reals({{3, 2}})},
     .f = [](const Tensors& x) { return Slice(x[0], -1, 2, 2); }},
    {.name = "concat",
     .cases = {Reals({{2, 3}, {2, 0}, {2, 1}}), Reals({{0, 3}, {0, 1}}), Reals({{1, 1}}),
               Reals({{301, 70}, {301, 33}})},
     .f = [](const Tensors& x) { return Concat(x, -1); },
     .bad = {Reals({{2, 3}, {3, 3}}), Reals({{2, 3}, {2, 3, 1}})}},
    {.name = "concat_rows",
     .cases = {Reals({{2, 3}, {1, 3}}), Reals({{2, 0}, {0, 0}})},
     .f = [](const Tensors& x) { return Concat(x, 0); }},
    {.name = "split",
     .cases = {Reals({{2, 6}}), Reals({{0, 6}}), Reals({{3, 6, 5}}), Reals({{301, 6, 33}})},
     .f =
         [](const Tensors& x) {
           return Split(x[0], {2, 0, 1, 3}, 1);
         },
     .bad = {Reals({{2, 5}}), Reals({{2, 7}})}},
    {.name = "split_rows",
     .cases = {Reals({{6}}), Reals({{6, 3}})},
     .f =
         [](const Tensors& x) {
           return Split(x[0], {1, 5}, 0);
         }},
    // One output has no cotangent.
    {.name = "split_one_used",
     .cases = {Reals({{2, 6}})},
     .f =
         [](const Tensors& x) {
           return Split(x[0], {2, 4}, 1)[1];
         }},
    {.name = "pad",
     .cases = {Reals({{3}}), Reals({{2, 5}}), Reals({{2, 0}}), Reals({{0, 2}}),
               Reals({{301, 133}})},
     .f = [](const Tensors& x) { return Pad(x[0], -1, 2, 1, 0.5); }},
    {.name = "pad_rows",
     .cases = {Reals({{3, 4, 2}}), Reals({{0, 2}})},
     .f = [](const Tensors& x) { return Pad(x[0], 0, 0, 3); }},
};

const std::vector<OpRow> kIndexRows = {
    {.name = "gather",
     .cases = {Reals({{5, 3}}) + Ints({{7}}, 0, 5), Reals({{1, 1}}) + Ints({{2, 3}}, 0, 1),
               Reals({{4}}) + Ints({{5}}, 0, 4), Reals({{3, 0}}) + Ints({{2}}, 0, 3),
               Reals({{3, 2}}) + Ints({{0}}, 0, 3), Reals({{3, 2, 2}}) + Ints({{}}, 0, 3),
               Reals({{67, 300}}) + Ints({{2, 101}}, 0, 67)},
     .f = [](const Tensors& x) { return Gather(x[0], x[1]); },
     .bad = {Reals({{5, 3}}) + Ints({{2}}, 5, 6), Reals({{0, 3}}) + Ints({{1}}, 0, 1),
             Reals({{5, 3}}) + Ints({{2}}, -1, 0), Reals({{5, 3}, {2}})}},
};

PALIMPSEST_OP_ROWS(Layout, kLayoutRows);
PALIMPSEST_OP_ROWS(Index, kIndexRows);

}  // namespace
}  // namespace palimpsest
