#include "kernels/causal_conv1d.h"
#include "kernels/cuda/dispatch.h"

namespace palimpsest {
namespace {

// Letters: B batch, T time, C channels, W width. A *place* of the input counts from the first of
// `before`, so that y_t reads the places t to t + W - 1.

using device::kThreads;
using device::Narrow;
using device::Number;
using device::Run;
using device::Widen;

constexpr int kSteps = 4;           // Rows that a thread makes with the same taps.
constexpr int64_t kPartRows = 128;  // Rows of y that one block sums.

template <typename T>
struct Conv {
  int64_t batch, time, channels, width;
  const T *x, *bias, *before;

  // The input's row at a place, null where there is none.
  __device__ const T* Place(int64_t b, int64_t place) const {
    const int64_t history = width - 1;
    if (place >= history) return x + (b * time + place - history) * channels;
    return before != nullptr ? before + (b * history + place) * channels : nullptr;
  }
};

template <typename T>
Conv<DeviceType<T>> ConvOf(const CausalConv1dArgs& a) {
  return {a.batch, a.time, a.channels, a.width, In<T>(a.x), In<T>(a.bias), In<T>(a.before)};
}

// weight [C, W] -> taps [W, C].
template <typename T>
__global__ void TapsKernel(int64_t channels, int64_t width, const T* weight, Number<T>* taps) {
  for (int64_t i = device::FirstUnit(); i < channels * width; i += device::UnitStride())
    taps[i] = Widen(weight[i % channels * width + i / channels]);
}

// Row `at` of an output is what it starts from and the sum over s of tap s times Row(b, at, s).
template <typename T>
struct Forward {
  Conv<T> conv;
  T* y;

  __device__ int64_t Count() const { return conv.time; }
  __device__ const T* Start() const { return conv.bias; }
  __device__ const T* Row(int64_t b, int64_t at, int64_t s) const { return conv.Place(b, at + s); }
  __device__ T* Out(int64_t b, int64_t at) const {
    return y + (b * conv.time + at) * conv.channels;
  }
};

// The gradient of each place of the input.
template <typename T>
struct Backward {
  Conv<T> conv;
  const T* dy;
  T *dx, *dbefore;

  __device__ int64_t Count() const { return conv.width - 1 + conv.time; }
  __device__ const T* Start() const { return nullptr; }
  __device__ const T* Row(int64_t b, int64_t at, int64_t s) const {
    const int64_t t = at - s;
    return t >= 0 && t < conv.time ? dy + (b * conv.time + t) * conv.channels : nullptr;
  }
  __device__ T* Out(int64_t b, int64_t at) const {
    const int64_t history = conv.width - 1;
    if (at >= history) return dx + (b * conv.time + at - history) * conv.channels;
    return dbefore != nullptr ? dbefore + (b * history + at) * conv.channels : nullptr;
  }
};

template <int kPack, typename F, typename N>
__global__ void SumTapsKernel(F f, const N* taps) {
  const int64_t channels = f.conv.channels, packs = channels / kPack;
  const int64_t groups = (f.Count() + kSteps - 1) / kSteps;
  for (int64_t unit = device::FirstUnit(); unit < f.conv.batch * groups * packs;
       unit += device::UnitStride()) {
    const int64_t c = unit % packs * kPack, first = unit / packs % groups * kSteps,
                  b = unit / packs / groups;
    Run<N, kPack> sum[kSteps];
#pragma unroll
    for (int k = 0; k < kSteps; ++k) sum[k] = device::LoadRun<kPack>(f.Start(), c);
    for (int64_t s = 0; s < f.conv.width; ++s) {
      const auto tap = device::LoadRun<kPack>(taps, s * channels + c);
#pragma unroll
      for (int k = 0; k < kSteps; ++k) {
        if (first + k >= f.Count()) break;
        const auto* row = f.Row(b, first + k, s);
        if (row == nullptr) continue;
        const auto x = device::LoadRun<kPack>(row, c);
#pragma unroll
        for (int j = 0; j < kPack; ++j) sum[k].at[j] += tap.at[j] * x.at[j];
      }
    }
#pragma unroll
    for (int k = 0; k < kSteps; ++k) {
      if (first + k >= f.Count()) break;
      auto* out = f.Out(b, first + k);
      if (out != nullptr) device::StoreRun(sum[k], out, c);
    }
  }
}

// The outputs of F, whose rows are at `all`.
template <typename Host, typename F>
void SumTaps(const F& f, const CausalConv1dArgs& a, int64_t count, const void* weight,
             std::initializer_list<const void*> all) {
  using T = DeviceType<Host>;
  Scratch<Number<T>> taps(a.channels * a.width);
  Launch(TapsKernel<T>, device::Blocks(a.channels * a.width), kThreads, 0, a.channels, a.width,
         In<Host>(weight), taps.data());
  DispatchPack<T>(a.channels, all, [&]<int kPack>() {
    const int64_t units = a.batch * CeilDiv(count, kSteps) * (a.channels / kPack);
    Launch(SumTapsKernel<kPack, F, Number<T>>, device::Blocks(units), kThreads, 0, f, taps.data());
  });
}

void ForwardCuda(const CausalConv1dArgs& a) {
  DispatchFloat(a.dtype, [&]<typename Host>() {
    const Forward<DeviceType<Host>> f{ConvOf<Host>(a), Out<Host>(a.y)};
    SumTaps<Host>(f, a, a.time, a.weight, {a.x, a.bias, a.before, a.y});
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(causal_conv1d, ForwardCuda);

// Of each part of the rows of y, the gradients of bias and taps: partial [parts, W + 1, C].
template <int kPack, typename T>
__global__ void PartsKernel(Conv<T> conv, const T* dy, int tile, Number<T>* partial) {
  using N = Number<T>;
  const int across = static_cast<int>(threadIdx.x) % tile,
            down = static_cast<int>(threadIdx.x) / tile;
  const int64_t channels = conv.channels, rows = conv.batch * conv.time, sums = conv.width + 1;
  const int64_t width = static_cast<int64_t>(tile) * kPack, strips = (channels + width - 1) / width;
  const int64_t parts = (rows + kPartRows - 1) / kPartRows;
  for (int64_t unit = blockIdx.x; unit < parts * sums * strips; unit += gridDim.x) {
    const int64_t c = unit % strips * width + across * kPack, s = unit / strips % sums,
                  part = unit / strips / sums;
    const int64_t end = (part + 1) * kPartRows < rows ? (part + 1) * kPartRows : rows;
    Run<N, kPack> sum = {};
    for (int64_t i = part * kPartRows + down; c < channels && i < end; i += kThreads / tile) {
      const auto d = device::LoadRun<kPack>(dy, i * channels + c);
      const T* row = s > 0 ? conv.Place(i / conv.time, i % conv.time + s - 1) : nullptr;
      if (s > 0 && row == nullptr) continue;
      const auto x = device::LoadRun<kPack>(row, c);
#pragma unroll
      for (int j = 0; j < kPack; ++j) sum.at[j] += s > 0 ? d.at[j] * x.at[j] : d.at[j];
    }
    sum = device::ReduceDown(sum, tile, device::Plus());
    if (down == 0 && c < channels) device::StoreRun(sum, partial, (part * sums + s) * channels + c);
  }
}

// sums [W + 1, C] -> dbias [C] or null, dweight [C, W].
template <typename T>
__global__ void WriteSumsKernel(int64_t channels, int64_t width, const Number<T>* sums, T* dweight,
                                T* dbias) {
  for (int64_t i = device::FirstUnit(); i < channels * (width + 1); i += device::UnitStride()) {
    const int64_t c = i % channels, s = i / channels;
    if (s > 0) {
      dweight[c * width + s - 1] = Narrow<T>(sums[i]);
    } else if (dbias != nullptr) {
      dbias[c] = Narrow<T>(sums[i]);
    }
  }
}

void VjpCuda(const CausalConv1dVjpArgs& args) {
  const CausalConv1dArgs& a = args.forward;
  DispatchFloat(a.dtype, [&]<typename Host>() {
    using T = DeviceType<Host>;
    using N = Number<T>;
    const Conv<T> conv = ConvOf<Host>(a);
    const T* dy = In<Host>(args.dy);
    const Backward<T> backward{conv, dy, Out<Host>(args.dx), Out<Host>(args.dbefore)};
    SumTaps<Host>(backward, a, a.width - 1 + a.time, a.weight, {dy, args.dx, args.dbefore});

    const int64_t parts = CeilDiv(a.batch * a.time, kPartRows), sums = a.width + 1;
    Scratch<N> partial(parts * sums * a.channels), sum(sums * a.channels);
    DispatchPack<T>(a.channels, {dy, a.x, a.before}, [&]<int kPack>() {
      const int tile = device::TileFor(a.channels / kPack);
      const int64_t strips = CeilDiv(a.channels, static_cast<int64_t>(tile) * kPack);
      Launch(PartsKernel<kPack, T>, BlocksFor(parts * sums * strips), kThreads,
             device::DownBytes<N, kPack>(), conv, dy, tile, partial.data());
    });
    SumRows(partial.data(), parts, sums * a.channels, sums * a.channels, sum.data());
    Launch(WriteSumsKernel<T>, device::Blocks(sums * a.channels), kThreads, 0, a.channels, a.width,
           sum.data(), Out<Host>(args.dweight), Out<Host>(args.dbias));
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(causal_conv1d_vjp, VjpCuda);

}  // namespace
}  // namespace palimpsest
