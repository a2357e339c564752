#ifndef MEMORY_RULES_ROWS_H_
#define MEMORY_RULES_ROWS_H_

#include <cstdint>
#include <vector>

#include "memory_rules/rule.h"

namespace palimpsest {

// [batch, time, heads(, dim)] -> [batch * heads, time(, dim)], and back.
Tensor FoldHeads(const Tensor& x);
Tensor FromRows(const Tensor& y, int64_t batch, int64_t heads);
Rows ToRows(const Sequence& seq);

// Parts of so many tokens each, with their pairs. One op a tensor, so that the gradients of many
// parts are joined and not each as long as the whole.
std::vector<Rows> SplitTokens(const Rows& rows, const std::vector<int64_t>& tokens);
std::vector<Sequence> SplitTokens(const Sequence& seq, const std::vector<int64_t>& tokens);

// Token by token to pair by pair along axis 1: each token `pairs` times over. And back: what the
// last pair of each token, or the first, has.
Tensor ForPairs(const Tensor& x, int64_t pairs);
Tensor AtTokens(const Tensor& x, int64_t pairs, bool first);

// Cut or padded with zeros to n along the last axis.
Tensor Fitted(const Tensor& x, int64_t n);

}  // namespace palimpsest

#endif  // MEMORY_RULES_ROWS_H_
