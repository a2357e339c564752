#ifndef KERNELS_CUDA_SIMULATOR_LANGUAGE_H_
#define KERNELS_CUDA_SIMULATOR_LANGUAGE_H_

// What kernels use of CUDA C++ and its device functions.

#include <math.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/simulator/grid.h"

#define __CUDA_ARCH_LIST__ 900
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

using dim3 = palimpsest::simulator::Extent3;
inline constexpr int warpSize = 32;

inline void __syncthreads() { palimpsest::simulator::WaitForBlock(); }
inline void __syncwarp(unsigned = ~0u) { palimpsest::simulator::WaitForWarp(); }
inline void __threadfence() {}
inline void __threadfence_block() {}

// Lanes that exchange: all of a warp.
template <typename T>
T __shfl_sync(unsigned, T value, int lane, int = 32) {
  return palimpsest::simulator::WarpExchange(value)[lane & 31];
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask, int = 32) {
  return palimpsest::simulator::WarpExchange(value)[palimpsest::simulator::Lane() ^ mask];
}
template <typename T>
T __shfl_down_sync(unsigned, T value, unsigned by, int = 32) {
  const unsigned from = palimpsest::simulator::Lane() + by;
  const T* all = palimpsest::simulator::WarpExchange(value);
  return from < 32 ? all[from] : value;
}
template <typename T>
T __shfl_up_sync(unsigned, T value, unsigned by, int = 32) {
  const unsigned lane = palimpsest::simulator::Lane();
  const T* all = palimpsest::simulator::WarpExchange(value);
  return lane >= by ? all[lane - by] : value;
}
// Of the lanes there are, in a block whose threads are no multiple of 32.
inline unsigned __ballot_sync(unsigned, int predicate) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned first = thread / 32 * 32, count = blockDim.x * blockDim.y * blockDim.z;
  const int* all = palimpsest::simulator::WarpExchange(predicate);
  unsigned bits = 0;
  for (unsigned i = 0; i < 32 && first + i < count; ++i) bits |= (all[i] != 0 ? 1u : 0u) << i;
  return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

// Not ordered with what else a thread does.
template <typename T, typename F>
T AtomicUpdate(T* at, F updated) {
  const std::atomic_ref<T> value(*at);
  const T old = value.load(std::memory_order_relaxed);
  value.store(updated(old), std::memory_order_relaxed);
  return old;
}
template <typename T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "sums of floats would depend on the order");
  return AtomicUpdate(at, [value](T old) { return old + value; });
}
template <typename T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return AtomicUpdate(at, [value](T old) { return std::max(old, value); });
}
template <typename T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return AtomicUpdate(at, [value](T old) { return std::min(old, value); });
}
template <typename T>
T atomicOr(T* at, std::type_identity_t<T> value) {
  return AtomicUpdate(at, [value](T old) { return old | value; });
}
template <typename T>
T atomicExch(T* at, std::type_identity_t<T> value) {
  return AtomicUpdate(at, [value](T) { return value; });
}

template <typename T>
T __ldg(const T* at) {
  return *at;
}
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((uint64_t{a} * b) >> 32);
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline float __double2float_rz(double x) {
  const float nearest = static_cast<float>(x);
  return fabs(static_cast<double>(nearest)) > fabs(x) ? nextafterf(nearest, 0.0f) : nearest;
}
// Not contracted, as on the device.
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752440f); }
inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }

#endif  // KERNELS_CUDA_SIMULATOR_LANGUAGE_H_
