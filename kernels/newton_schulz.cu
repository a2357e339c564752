#include "kernels/cuda/dispatch.h"
#include "kernels/device/map.cuh"
#include "kernels/newton_schulz_steps.h"

namespace palimpsest {
namespace {

using device::Blocks;
using device::kThreads;
using device::Narrow;

template <typename T>
__global__ void ScaleKernel(const T* x, T c, int64_t n, T* to, bool packs) {
  device::Map(x, to, n, packs, [=](T v) { return c * v; });
}

template <typename T>
__global__ void DiagonalKernel(T* m, T value, int64_t side, int64_t count) {
  for (int64_t row = device::FirstUnit(); row < count * side; row += device::UnitStride())
    m[row * side + row % side] += value;
}

__global__ void RoundKernel(const float* x, int64_t n, __nv_bfloat16* to) {
  device::Map(x, to, n, false, [](float v) { return Narrow<__nv_bfloat16>(v); });
}

__global__ void CombineKernel(const float* x, float a, const float* y, float b, int64_t n,
                              __nv_bfloat16* to) {
  for (int64_t i = device::FirstUnit(); i < n; i += device::UnitStride())
    to[i] = Narrow<__nv_bfloat16>(a * x[i] + b * y[i]);
}

}  // namespace

// Named, as what is made of it is.
inline namespace PALIMPSEST_CUDA_FLAVOR {

struct CudaPasses {
  static constexpr Device kDevice = Device::PALIMPSEST_CUDA_DEVICE;

  template <typename T>
  static void Scale(const T* x, double c, int64_t n, T* to) {
    Launch(ScaleKernel<T>, Blocks(n), kThreads, 0, x, static_cast<T>(c), n, to, Aligned({x, to}));
  }
  template <typename T>
  static void AddToDiagonal(T* m, double value, int64_t side, int64_t count) {
    Launch(DiagonalKernel<T>, Blocks(side * count), kThreads, 0, m, static_cast<T>(value), side,
           count);
  }
  static void Round(const float* x, int64_t n, Bf16* to) {
    Launch(RoundKernel, Blocks(n), kThreads, 0, x, n, reinterpret_cast<__nv_bfloat16*>(to));
  }
  static void Combine(const float* x, double a, const float* y, double b, int64_t n, Bf16* to) {
    Launch(CombineKernel, Blocks(n), kThreads, 0, x, static_cast<float>(a), y,
           static_cast<float>(b), n, reinterpret_cast<__nv_bfloat16*>(to));
  }
};

}  // namespace PALIMPSEST_CUDA_FLAVOR

namespace {

template <typename Steps, typename T>
void Run(const NewtonSchulzArgs& g) {
  if (g.steps.empty()) {
    const size_t bytes = g.batch * g.rows * g.cols * sizeof(T);
    PALIMPSEST_CUDA_CHECK(cudaMemcpyAsync(g.y, g.x, bytes, cudaMemcpyDefault, CudaStream()));
    return;
  }
  Steps(g, g.batch).Run(static_cast<const T*>(g.x), static_cast<T*>(g.y));
}

void NewtonSchulzCuda(const NewtonSchulzArgs& g) {
  if (g.batch * g.rows * g.cols == 0) return;
  switch (g.dtype) {
    case DType::kF64: return Run<NewtonSchulzChains<CudaPasses, double>, double>(g);
    case DType::kF32: return Run<NewtonSchulzChains<CudaPasses, float>, float>(g);
    case DType::kBf16: return Run<RoundedNewtonSchulz<CudaPasses>, float>(g);
    default: PALIMPSEST_CHECK(false) << "newton_schulz of " << g.dtype;
  }
}

PALIMPSEST_REGISTER_CUDA_KERNEL(newton_schulz, NewtonSchulzCuda);

}  // namespace
}  // namespace palimpsest
