#ifndef KERNELS_INDEX_H_
#define KERNELS_INDEX_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// A table of `rows` rows and `count` integers that name them.
struct IndexArgs {
  int64_t rows = 0, width = 0, count = 0;  // Elements a row; 1 for OneHot.
  DType dtype = DType::kF32, id_dtype = DType::kI32;
  const void* ids = nullptr;
  const void* from = nullptr;
  void* to = nullptr;
};

// The place of the first id that is not in [0, rows), or -1.
extern Kernel<int64_t(const IndexArgs&)> find_bad_id;
// to[i] = from[ids[i]]: from [rows, width], to [count, width]. Ids are checked before; where they
// are not, a device other than the CPU gives NaN for one that is no row.
extern Kernel<void(const IndexArgs&)> gather;
// to[r] = sum of from[i] over ids[i] = r, in the order of i, on other devices than the CPU in
// parts: from [count, width], to [rows, width].
extern Kernel<void(const IndexArgs&)> scatter_add;
// to[i][ids[i]] = 1, the rest 0: to [count, rows].
extern Kernel<void(const IndexArgs&)> one_hot;

}  // namespace palimpsest

#endif  // KERNELS_INDEX_H_
