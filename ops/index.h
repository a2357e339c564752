#ifndef OPS_INDEX_H_
#define OPS_INDEX_H_

#include "core/tensor.h"

namespace palimpsest {

// Ids on the host are checked: one out of range aborts. Those on another device are not, which
// would wait for it: where one names no row, there is NaN.

// Rows table[ids]: [rows, ...] and integer ids [...], on the host or with the table, -> [ids...,
// ...]. An embedding. Its gradient sums rows in the order of ids.
Tensor Gather(const Tensor& table, const Tensor& ids);
// [...] -> [..., classes], 1 at the id.
Tensor OneHot(const Tensor& ids, int64_t classes, DType dtype);

}  // namespace palimpsest

#endif  // OPS_INDEX_H_
