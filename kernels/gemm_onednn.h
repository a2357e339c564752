#ifndef KERNELS_GEMM_ONEDNN_H_
#define KERNELS_GEMM_ONEDNN_H_

#include "kernels/gemm.h"

namespace palimpsest {

// Large bf16 products on oneDNN where the machine multiplies bf16 (AVX512-BF16 or AMX), on our
// threads and cut up by shape alone. False if this is no such product; then nothing is done.
bool GemmOnednn(const GemmArgs& args);

}  // namespace palimpsest

#endif  // KERNELS_GEMM_ONEDNN_H_
