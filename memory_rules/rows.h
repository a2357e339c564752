#ifndef MEMORY_RULES_ROWS_H_
#define MEMORY_RULES_ROWS_H_

#include <cstdint>

#include "memory_rules/rule.h"

namespace palimpsest {

// [batch, time, heads(, dim)] -> [batch * heads, time(, dim)], and back.
Tensor FoldHeads(const Tensor& x);
Tensor FromRows(const Tensor& y, int64_t batch, int64_t heads);
Rows ToRows(const Sequence& seq);

// Tokens [begin, end), with their pairs.
Rows TimeSlice(const Rows& rows, int64_t begin, int64_t end);
Sequence TimeSlice(const Sequence& seq, int64_t begin, int64_t end);

// Token by token to pair by pair along axis 1: each token `pairs` times over. And back: what the
// last pair of each token, or the first, has.
Tensor ForPairs(const Tensor& x, int64_t pairs);
Tensor AtTokens(const Tensor& x, int64_t pairs, bool first);

// Cut or padded with zeros to n along the last axis.
Tensor Fitted(const Tensor& x, int64_t n);

}  // namespace palimpsest

#endif  // MEMORY_RULES_ROWS_H_
