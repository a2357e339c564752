#include "kernels/channel_sum.h"
#include "kernels/cuda/dispatch.h"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Number;
using device::Run;

// The gradient of the weight is summed in at most this many parts.
constexpr int64_t kMaxParts = 256, kMinPartRows = 64;

template <typename T>
struct Stream {
  int64_t rows, channels, width;
  const T *x, *weight;
};

template <typename T>
Stream<DeviceType<T>> StreamOf(const ChannelSumArgs& a) {
  return {a.rows, a.channels, a.width, In<T>(a.x), In<T>(a.weight)};
}

template <int kPack, typename T>
__global__ void ChannelSumKernel(Stream<T> a, T* y) {
  const int64_t packs = a.width / kPack, size = a.channels * a.width;
  for (int64_t unit = device::FirstUnit(); unit < a.rows * packs; unit += device::UnitStride()) {
    const int64_t row = unit / packs, i = unit % packs * kPack;
    Run<Number<T>, kPack> sum = {};
    for (int64_t at = i; at < size; at += a.width) {
      const auto weight = device::LoadRun<kPack>(a.weight, at),
                 x = device::LoadRun<kPack>(a.x, row * size + at);
#pragma unroll
      for (int j = 0; j < kPack; ++j) sum.at[j] += weight.at[j] * x.at[j];
    }
    device::StoreRun(sum, y, row * a.width + i);
  }
}

void ChannelSumCuda(const ChannelSumArgs& args) {
  DispatchFloat(args.dtype, [&]<typename T>() {
    DispatchPack<DeviceType<T>>(args.width, {args.x, args.weight, args.y}, [&]<int kPack>() {
      Launch(ChannelSumKernel<kPack, DeviceType<T>>, device::Blocks(args.rows * args.width / kPack),
             kThreads, 0, StreamOf<T>(args), Out<T>(args.y));
    });
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(channel_sum, ChannelSumCuda);

// dx, and of each part of the rows the gradient of the weight: partial [parts, channels, width].
template <int kPack, typename T>
__global__ void VjpKernel(Stream<T> a, const T* dy, T* dx, int64_t part_rows, int tile,
                          Number<T>* partial) {
  using N = Number<T>;
  const int across = static_cast<int>(threadIdx.x) % tile,
            down = static_cast<int>(threadIdx.x) / tile;
  const int64_t size = a.channels * a.width, tile_width = static_cast<int64_t>(tile) * kPack;
  const int64_t strips = (size + tile_width - 1) / tile_width;
  const int64_t parts = (a.rows + part_rows - 1) / part_rows;
  for (int64_t unit = blockIdx.x; unit < parts * strips; unit += gridDim.x) {
    const int64_t at = unit % strips * tile_width + across * kPack, part = unit / strips;
    const int64_t end = (part + 1) * part_rows < a.rows ? (part + 1) * part_rows : a.rows;
    Run<N, kPack> sum = {}, weight = {};
    if (at < size) weight = device::LoadRun<kPack>(a.weight, at);
    for (int64_t row = part * part_rows + down; at < size && row < end; row += kThreads / tile) {
      const auto d = device::LoadRun<kPack>(dy, row * a.width + at % a.width),
                 x = device::LoadRun<kPack>(a.x, row * size + at);
      Run<N, kPack> back;
#pragma unroll
      for (int j = 0; j < kPack; ++j) {
        back.at[j] = weight.at[j] * d.at[j];
        sum.at[j] += d.at[j] * x.at[j];
      }
      device::StoreRun(back, dx, row * size + at);
    }
    sum = device::ReduceDown(sum, tile, device::Plus());
    if (down == 0 && at < size) device::StoreRun(sum, partial, part * size + at);
  }
}

void ChannelSumVjpCuda(const ChannelSumVjpArgs& args) {
  const ChannelSumArgs& f = args.forward;
  DispatchFloat(f.dtype, [&]<typename T>() {
    using N = Number<DeviceType<T>>;
    const int64_t size = f.channels * f.width;
    const int64_t part_rows = std::max(kMinPartRows, CeilDiv(f.rows, kMaxParts)),
                  parts = CeilDiv(f.rows, part_rows);
    Scratch<N> partial(parts * size);
    DispatchPack<DeviceType<T>>(f.width, {f.x, f.weight, args.dy, args.dx}, [&]<int kPack>() {
      const int tile = device::TileFor(size / kPack);
      const int64_t strips = CeilDiv(size, static_cast<int64_t>(tile) * kPack);
      Launch(VjpKernel<kPack, DeviceType<T>>, BlocksFor(parts * strips), kThreads,
             device::DownBytes<N, kPack>(), StreamOf<T>(f), In<T>(args.dy), Out<T>(args.dx),
             part_rows, tile, partial.data());
    });
    SumRows(partial.data(), parts, size, size, Out<T>(args.dweight));
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(channel_sum_vjp, ChannelSumVjpCuda);

}  // namespace
}  // namespace palimpsest
