#ifndef KERNELS_CROSS_ENTROPY_H_
#define KERNELS_CROSS_ENTROPY_H_

#include <cstdint>

#include "core/dtype.h"
#include "core/kernel.h"

namespace palimpsest {

// The mean of log(sum_c exp(logits[r,c])) - logits[r, labels[r]] over the `count` rows whose label
// is not `ignored`; 0 if there are none. Statistics are f64 for f64 logits, else f32. A label that
// is no class stops the CPU; other devices, which cannot, make NaN of it.
struct CrossEntropyArgs {
  DType dtype;
  int64_t rows, classes;
  const void* logits;
  const int64_t* labels;
  int64_t ignored;
  void* log_sum;  // [rows]: log(sum exp), for the gradient
  void* loss;     // []
};
extern Kernel<void(const CrossEntropyArgs&)> cross_entropy;

// dlogits[r,c] = (softmax - onehot) dloss / count; 0 in ignored rows.
struct CrossEntropyGradArgs {
  DType dtype;
  int64_t rows, classes;
  const void* logits;
  const int64_t* labels;
  int64_t ignored;
  const void *log_sum, *dloss;
  void* dlogits;
};
extern Kernel<void(const CrossEntropyGradArgs&)> cross_entropy_grad;

}  // namespace palimpsest

#endif  // KERNELS_CROSS_ENTROPY_H_
