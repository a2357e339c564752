#include "kernels/cuda/dispatch.h"
#include "kernels/device/philox.cuh"
#include "kernels/dropout.h"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Number;
using device::Run;

struct Mask {
  uint32_t key0, key1, threshold;
  uint64_t step;
  const int64_t* step_at;
};

// A thread has the four elements that a block of Philox decides on, kPack of them at a time.
template <int kPack, typename T>
__global__ void DropoutKernel(Mask mask, int64_t n, Number<T> scale, const T* x, T* y) {
  using N = Number<T>;
  const uint64_t step = mask.step_at == nullptr ? mask.step : static_cast<uint64_t>(*mask.step_at);
  for (int64_t block = device::FirstUnit(); block * 4 < n; block += device::UnitStride()) {
    const device::Words4 words = device::Philox(block, step, mask.key0, mask.key1);
#pragma unroll
    for (int first = 0; first < 4; first += kPack) {
      const int64_t i = block * 4 + first;
      if (i >= n) break;
      Run<N, kPack> v = device::LoadRun<kPack>(x, i);
#pragma unroll
      for (int j = 0; j < kPack; ++j)
        v.at[j] = words.at[first + j] < mask.threshold ? N(0) : v.at[j] * scale;
      device::StoreRun(v, y, i);
    }
  }
}

void DropoutCuda(const DropoutArgs& args) {
  const Mask mask{args.key[0], args.key[1], args.threshold, args.step, args.step_at};
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    const auto launch = [&](auto* kernel) {
      Launch(kernel, device::Blocks(CeilDiv(args.size, 4)), kThreads, 0, mask, args.size,
             static_cast<Number<T>>(args.scale), In<Host>(args.x), Out<Host>(args.y));
    };
    // The four are 16 bytes of f32, 8 of bf16.
    const bool packs = args.size % 4 == 0 && sizeof(T) <= 4 && Aligned({args.x, args.y});
    packs ? launch(DropoutKernel<4, T>) : launch(DropoutKernel<1, T>);
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(dropout, DropoutCuda);

}  // namespace
}  // namespace palimpsest
