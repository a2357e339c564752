#include "kernels/cuda/dispatch.h"
#include "kernels/reduce.h"

namespace palimpsest {
namespace {

using device::kThreads;
using device::Narrow;
using device::Number;
using device::Run;

// Elements of a row, and rows of a column, that one partial result is made of.
constexpr int64_t kPart = 65536;
constexpr int64_t kPartRows = 256;
// So few are one thread's.
constexpr int64_t kFew = 16;

// One kernel for all operations of a dtype: which one is the same for every thread, and memory is
// what these wait for.
template <typename N>
struct Reduction {
  ReduceOp op;

  __device__ N Identity() const { return op == ReduceOp::kMax ? N(-INFINITY) : N(0); }
  __device__ N Map(N v, N shift) const {
    switch (op) {
      case ReduceOp::kSumSquares: return v * v;
      case ReduceOp::kSumExp: return exp(v - shift);
      default: return v;
    }
  }
  __device__ N operator()(N a, N b) const {
    return op == ReduceOp::kMax ? device::Max(a, b) : a + b;
  }
  // What is made of partial results.
  Reduction Rest() const { return {op == ReduceOp::kMax ? op : ReduceOp::kSum}; }
};

// Letters: x [O, n, I], cut into P parts of `part` along n; y [O, P, I].
template <typename T>
struct Pieces {
  const T *x, *shift;
  int64_t outer, n, inner, part, parts;
};

// P = 1.
template <int kPack, typename N, typename T, typename To>
__global__ void FewKernel(Reduction<N> op, Pieces<T> p, To* y, N scale) {
  const int64_t packs = p.inner / kPack;
  for (int64_t unit = device::FirstUnit(); unit < p.outer * packs; unit += device::UnitStride()) {
    const int64_t outer = unit / packs, column = unit % packs * kPack;
    const auto shift = device::LoadRun<kPack>(p.shift, outer * p.inner + column);
    Run<N, kPack> result;
    for (N& v : result.at) v = op.Identity();
    for (int64_t r = 0; r < p.n; ++r) {
      const auto v = device::LoadRun<kPack>(p.x, (outer * p.n + r) * p.inner + column);
#pragma unroll
      for (int j = 0; j < kPack; ++j) result.at[j] = op(result.at[j], op.Map(v.at[j], shift.at[j]));
    }
#pragma unroll
    for (int j = 0; j < kPack; ++j) result.at[j] = result.at[j] * scale;
    device::StoreRun(result, y, outer * p.inner + column);
  }
}

// I = 1.
template <typename Row, int kPack, typename N, typename T, typename To>
__global__ void RowsKernel(Reduction<N> op, Pieces<T> p, To* y, N scale) {
  for (int64_t unit = Row::First(); unit < p.outer * p.parts; unit += Row::Stride()) {
    const int64_t row = unit / p.parts, first = unit % p.parts * p.part;
    const int64_t left = p.n - first, n = left < p.part ? left : p.part;
    const N shift = p.shift != nullptr ? device::Widen(p.shift[row]) : N(0);
    const N result = device::ReduceRow<Row, kPack>(
        n, op.Identity(), op, [=](N v) { return op.Map(v, shift); }, p.x + row * p.n + first);
    if (Row::Rank() == 0) y[unit] = Narrow<To>(result * scale);
  }
}

template <int kPack, typename N, typename T, typename To>
__global__ void ColumnsKernel(Reduction<N> op, Pieces<T> p, int tile, To* y, N scale) {
  const int across = static_cast<int>(threadIdx.x) % tile;
  const int64_t down = static_cast<int>(threadIdx.x) / tile;
  const int64_t width = static_cast<int64_t>(tile) * kPack, strips = (p.inner + width - 1) / width;
  for (int64_t unit = blockIdx.x; unit < p.outer * p.parts * strips; unit += gridDim.x) {
    const int64_t column = unit % strips * width + across * kPack, part = unit / strips % p.parts,
                  outer = unit / strips / p.parts;
    const int64_t end = (part + 1) * p.part < p.n ? (part + 1) * p.part : p.n;
    Run<N, kPack> result;
    for (N& v : result.at) v = op.Identity();
    if (column < p.inner) {
      const auto shift = device::LoadRun<kPack>(p.shift, outer * p.inner + column);
      for (int64_t r = part * p.part + down; r < end; r += kThreads / tile) {
        const auto v = device::LoadRun<kPack>(p.x, (outer * p.n + r) * p.inner + column);
#pragma unroll
        for (int j = 0; j < kPack; ++j)
          result.at[j] = op(result.at[j], op.Map(v.at[j], shift.at[j]));
      }
    }
    result = device::ReduceDown(result, tile, op);
    if (down > 0 || column >= p.inner) continue;
#pragma unroll
    for (int j = 0; j < kPack; ++j) result.at[j] = result.at[j] * scale;
    device::StoreRun(result, y, (outer * p.parts + part) * p.inner + column);
  }
}

template <typename N, typename T, typename To>
void LaunchPieces(Reduction<N> op, const Pieces<T>& p, To* y, double scale) {
  if (p.n <= kFew) {
    DispatchPack<T>(p.inner, {p.x, p.shift, y}, [&]<int kPack>() {
      Launch(FewKernel<kPack, N, T, To>, device::Blocks(p.outer * p.inner / kPack), kThreads, 0, op,
             p, y, static_cast<N>(scale));
    });
    return;
  }
  if (p.inner == 1) {
    DispatchRow<T>(p.outer * p.parts, p.n, {p.x}, [&]<typename Row, int kPack>(unsigned blocks) {
      Launch(RowsKernel<Row, kPack, N, T, To>, blocks, kThreads, device::kReduceBytes, op, p, y,
             static_cast<N>(scale));
    });
    return;
  }
  DispatchPack<T>(p.inner, {p.x, p.shift, y}, [&]<int kPack>() {
    const int tile = device::TileFor(p.inner / kPack);
    const int64_t strips = CeilDiv(p.inner, static_cast<int64_t>(tile) * kPack);
    Launch(ColumnsKernel<kPack, N, T, To>, BlocksFor(p.outer * p.parts * strips), kThreads,
           device::DownBytes<N, kPack>(), op, p, tile, y, static_cast<N>(scale));
  });
}

// In as many passes as it takes to have one part.
template <typename N, typename T, typename To>
void Reduce(Reduction<N> op, Pieces<T> p, To* y, double scale) {
  p.part = p.inner == 1 ? kPart : std::max(kPartRows, CeilDiv(kPart / 16, p.inner));
  p.parts = std::max<int64_t>(CeilDiv(p.n, p.part), 1);
  if (p.parts == 1) return LaunchPieces(op, p, y, scale);
  Scratch<N> partial(p.outer * p.parts * p.inner);
  LaunchPieces(op, p, partial.data(), 1.0);
  Reduce(op.Rest(), Pieces<N>{partial.data(), nullptr, p.outer, p.parts, p.inner, 0, 0}, y, scale);
}

void ReduceCuda(const ReduceArgs& args) {
  if (args.outer == 0 || args.inner == 0) return;
  DispatchFloat(args.dtype, [&]<typename T>() {
    Reduce(Reduction<Number<DeviceType<T>>>{args.op},
           Pieces<DeviceType<T>>{In<T>(args.x), In<T>(args.shift), args.outer, args.n, args.inner,
                                 0, 0},
           Out<T>(args.y), args.scale);
  });
}

PALIMPSEST_REGISTER_CUDA_KERNEL(reduce, ReduceCuda);

}  // namespace
}  // namespace palimpsest
