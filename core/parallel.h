#ifndef CORE_PARALLEL_H_
#define CORE_PARALLEL_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace palimpsest {

// Threads that kernels share; by default one per core this process may use.
void SetNumThreads(int threads);
int NumThreads();

// Calls body(begin, end) on parts of [0, n), each at least `grain` long but the last, on several
// threads, and returns when all are done. Which parts there are depends on the thread count, so a
// body must give each index the same result whatever part it is in. Nested calls run on the calling
// thread.
void ParallelFor(int64_t n, int64_t grain,
                 absl::FunctionRef<void(int64_t begin, int64_t end)> body);

}  // namespace palimpsest

#endif  // CORE_PARALLEL_H_
