#ifndef OPS_INDEX_H_
#define OPS_INDEX_H_

#include "core/tensor.h"

namespace palimpsest {

// Rows table[ids]: [rows, ...] and integer ids [...] -> [ids..., ...]. An embedding. Aborts on an
// id out of range. Its gradient sums rows in the order of ids.
Tensor Gather(const Tensor& table, const Tensor& ids);
// [...] -> [..., classes], 1 at the id.
Tensor OneHot(const Tensor& ids, int64_t classes, DType dtype);

}  // namespace palimpsest

#endif  // OPS_INDEX_H_
