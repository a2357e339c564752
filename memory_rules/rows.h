#ifndef MEMORY_RULES_ROWS_H_
#define MEMORY_RULES_ROWS_H_

#include <cstdint>

#include "memory_rules/rule.h"

namespace palimpsest {

// [batch, time, heads, dim] -> [batch * heads, time, dim], [batch, time, heads] -> [batch * heads,
// time]; and the first one back.
Tensor FoldHeads(const Tensor& x);
Tensor FromRows(const Tensor& y, int64_t batch, int64_t heads);
Rows ToRows(const Sequence& seq);

// Times [begin, end).
Rows TimeSlice(const Rows& rows, int64_t begin, int64_t end);
Sequence TimeSlice(const Sequence& seq, int64_t begin, int64_t end);

}  // namespace palimpsest

#endif  // MEMORY_RULES_ROWS_H_
