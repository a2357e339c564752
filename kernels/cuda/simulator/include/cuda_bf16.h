#ifndef KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_BF16_H_
#define KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_BF16_H_

#include "core/dtype.h"
#include "cuda_runtime.h"

struct __nv_bfloat16 {
  palimpsest::Bf16 value;
};

inline __nv_bfloat16 __float2bfloat16_rn(float x) { return {palimpsest::Bf16(x)}; }
inline float __bfloat162float(__nv_bfloat16 x) { return static_cast<float>(x.value); }

#endif  // KERNELS_CUDA_SIMULATOR_INCLUDE_CUDA_BF16_H_
