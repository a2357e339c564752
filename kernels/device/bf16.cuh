#ifndef KERNELS_DEVICE_BF16_CUH_
#define KERNELS_DEVICE_BF16_CUH_

#include <cuda_bf16.h>

#include <cstdint>

namespace palimpsest::device {

// What an element is computed in: f32 for bf16, else itself.
template <typename T>
struct NumberOf {
  using type = T;
};
template <>
struct NumberOf<__nv_bfloat16> {
  using type = float;
};
template <typename T>
using Number = typename NumberOf<T>::type;

__device__ inline float Widen(__nv_bfloat16 x) { return __bfloat162float(x); }
template <typename T>
__device__ T Widen(T x) {
  return x;
}

// To the nearest, ties to even; once, also from f64.
template <typename T, typename N>
__device__ T Narrow(N x) {
  return static_cast<T>(x);
}
template <>
__device__ inline __nv_bfloat16 Narrow<__nv_bfloat16, float>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ inline __nv_bfloat16 Narrow<__nv_bfloat16, double>(double x) {
  // To odd: the second rounding then sees on which side of a tie x was.
  const float toward_zero = __double2float_rz(x);
  const bool exact = static_cast<double>(toward_zero) == x || x != x;
  const uint32_t bits = __float_as_uint(toward_zero);
  return __float2bfloat16_rn(exact ? toward_zero : __uint_as_float(bits | 1u));
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_BF16_CUH_
