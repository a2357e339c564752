#include "kernels/cuda/dispatch.h"
#include "kernels/rope.h"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Number;
using device::Run;

// Cosine and sine, rounded once, of every angle: [time, half].
template <typename N>
__global__ void AnglesKernel(int64_t time, int64_t half, int64_t offset, double base, bool back,
                             N* cosines, N* sines) {
  for (int64_t unit = device::FirstUnit(); unit < time * half; unit += device::UnitStride()) {
    const int64_t t = unit / half, i = unit % half;
    const double frequency = pow(base, -static_cast<double>(i) / static_cast<double>(half));
    const double angle = static_cast<double>(offset + t) * frequency;
    cosines[unit] = static_cast<N>(cos(angle));
    sines[unit] = static_cast<N>(back ? -sin(angle) : sin(angle));
  }
}

template <int kPack, typename T>
__global__ void TurnKernel(int64_t rows, int64_t time, int64_t heads, int64_t half,
                           const Number<T>* cosines, const Number<T>* sines, const T* x, T* y) {
  using N = Number<T>;
  const int64_t packs = half / kPack;
  for (int64_t unit = device::FirstUnit(); unit < rows * packs; unit += device::UnitStride()) {
    const int64_t row = unit / packs, i = unit % packs * kPack;
    const int64_t angle = row / heads % time * half + i, at = row * 2 * half + i;
    const auto c = device::LoadRun<kPack>(cosines, angle), s = device::LoadRun<kPack>(sines, angle);
    Run<N, kPack> low = device::LoadRun<kPack>(x, at), high = device::LoadRun<kPack>(x, at + half);
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      const N turned = low.at[j] * c.at[j] - high.at[j] * s.at[j];
      high.at[j] = high.at[j] * c.at[j] + low.at[j] * s.at[j];
      low.at[j] = turned;
    }
    device::StoreRun(low, y, at);
    device::StoreRun(high, y, at + half);
  }
}

void RopeCuda(const RopeArgs& args) {
  DispatchFloat(args.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    using N = Number<T>;
    const int64_t half = args.dim / 2, angles = args.time * half;
    const int64_t rows = args.batch * args.time * args.heads;
    Scratch<N> cosines(angles), sines(angles);
    Launch(AnglesKernel<N>, device::Blocks(angles), kThreads, 0, args.time, half, args.offset,
           args.base, args.back, cosines.data(), sines.data());
    DispatchPack<T>(half, {args.x, args.y}, [&]<int kPack>() {
      Launch(TurnKernel<kPack, T>, device::Blocks(rows * half / kPack), kThreads, 0, rows,
             args.time, args.heads, half, cosines.data(), sines.data(), In<Host>(args.x),
             Out<Host>(args.y));
    });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(rope, RopeCuda);

}  // namespace
}  // namespace palimpsest
