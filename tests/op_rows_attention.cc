#include "ops/attention.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

Function Attention(const AttentionOptions& options) {
  return [options](const Tensors& x) { return CausalAttention(x[0], x[1], x[2], options); };
}

// q, k and v of equal lengths and heads.
Inputs Plain(int64_t batch, int64_t time, int64_t heads, int64_t dim) {
  return Reals(std::vector<Shape>(3, {batch, time, heads, dim}));
}

const std::vector<OpRow> kAttentionRows = {
    {.name = "causal_attention",
     .cases = {Plain(2, 5, 2, 3), Plain(1, 1, 1, 1), Plain(2, 0, 1, 3), Plain(0, 2, 1, 3),
               Plain(1, 3, 0, 2), Reals({{1, 3, 2, 0}, {1, 3, 2, 0}, {1, 3, 2, 2}}),
               Reals({{1, 3, 2, 2}, {1, 3, 2, 2}, {1, 3, 2, 0}}), Plain(2, 131, 3, 17)},
     .f = Attention({}),
     .tolerance = 4.0,
     .bad = {Reals({{1, 3, 2, 2}, {1, 2, 2, 2}, {1, 2, 2, 2}}),
             Reals({{1, 3, 3, 2}, {1, 3, 2, 2}, {1, 3, 2, 2}}),
             Reals({{1, 3, 2, 2}, {1, 3, 2, 3}, {1, 3, 2, 2}}),
             Reals({{1, 3, 2, 2}, {1, 3, 2, 2}, {1, 4, 2, 2}})}},
    // A cache in front, heads that share keys, values of another width.
    {.name = "causal_attention_cached",
     .cases = {Reals({{2, 3, 4, 5}, {2, 7, 2, 5}, {2, 7, 2, 2}}),
               Reals({{1, 1, 4, 5}, {1, 9, 1, 5}, {1, 9, 1, 7}}),
               Reals({{1, 0, 2, 3}, {1, 4, 1, 3}, {1, 4, 1, 3}}),
               Reals({{1, 70, 4, 33}, {1, 600, 2, 33}, {1, 600, 2, 65}})},
     .f = Attention({.scale = 0.3}),
     .tolerance = 4.0},
    {.name = "causal_attention_window",
     .cases = {Plain(1, 9, 2, 3), Plain(1, 2, 1, 2), Plain(1, 150, 2, 8)},
     .f = Attention({.window = 3}),
     .tolerance = 4.0},
    {.name = "causal_attention_prefix",
     .cases = {Plain(1, 9, 2, 3), Plain(1, 2, 1, 2), Plain(1, 150, 2, 8),
               Reals({{1, 65, 2, 4}, {1, 200, 2, 4}, {1, 200, 2, 4}})},
     .f = Attention({.window = 2, .prefix = 4}),
     .tolerance = 4.0},
    {.name = "causal_attention_prefix_alone",
     .cases = {Plain(1, 9, 2, 3), Plain(1, 150, 2, 8)},
     .f = Attention({.prefix = 70}),
     .tolerance = 4.0},
};

PALIMPSEST_OP_ROWS(Attention, kAttentionRows);

}  // namespace
}  // namespace palimpsest
