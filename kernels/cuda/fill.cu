#include "core/fill.h"
#include "kernels/cuda/launch.h"
#include "kernels/device/map.cuh"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Pack;

template <typename T>
__global__ void FillKernel(T* to, int64_t n, T element, bool packs) {
  constexpr int kSize = Pack<T>::kSize;
  const int64_t full = packs ? n / kSize : 0;
  Pack<T> pack;
#pragma unroll
  for (int j = 0; j < kSize; ++j) pack.at[j] = element;
  for (int64_t i = device::FirstUnit(); i < full; i += device::UnitStride())
    reinterpret_cast<Pack<T>*>(to)[i] = pack;
  for (int64_t i = full * kSize + device::FirstUnit(); i < n; i += device::UnitStride())
    to[i] = element;
}

template <typename T>
void Fill(const FillArgs& args) {
  if (args.count == 0) return;
  const bool packs = reinterpret_cast<uintptr_t>(args.to) % 16 == 0;
  const int64_t units = packs ? args.count / Pack<T>::kSize + 1 : args.count;
  Launch(FillKernel<T>, device::Blocks(units), kThreads, 0, static_cast<T*>(args.to), args.count,
         static_cast<T>(args.bits), packs);
}

void FillCuda(const FillArgs& args) {
  switch (args.element_bytes) {
    case 8: return Fill<uint64_t>(args);
    case 4: return Fill<uint32_t>(args);
    default: return Fill<uint16_t>(args);
  }
}

PALIMPSEST_REGISTER_CUDA_KERNEL(fill, FillCuda);

}  // namespace
}  // namespace palimpsest
