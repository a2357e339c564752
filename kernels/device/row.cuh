#ifndef KERNELS_DEVICE_ROW_CUH_
#define KERNELS_DEVICE_ROW_CUH_

#include <cstdint>

#include "kernels/device/bf16.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared.cuh"

// Loops over a row that several threads share: each always has the same places of it.
namespace palimpsest::device {

// The threads of a row: a warp,
struct WarpRow {
  __device__ static int Rank() { return static_cast<int>(threadIdx.x) % kWarp; }
  __device__ static int Size() { return kWarp; }
  // Among the rows that a block has at a time.
  __device__ static int Local() { return static_cast<int>(threadIdx.x) / kWarp; }
  __device__ static int64_t First() {
    return static_cast<int64_t>(blockIdx.x) * (blockDim.x / kWarp) + Local();
  }
  __device__ static int64_t Stride() {
    return static_cast<int64_t>(gridDim.x) * (blockDim.x / kWarp);
  }
  template <typename N, typename Op>
  __device__ static N Reduce(N v, N, Op op) {
    return WarpReduce(v, op);
  }
  // What one of them wrote, the others see.
  __device__ static void Sync() { __syncwarp(); }
};

// or a block, which reduces in the first kReduceBytes of its shared memory.
struct BlockRow {
  __device__ static int Rank() { return static_cast<int>(threadIdx.x); }
  __device__ static int Size() { return static_cast<int>(blockDim.x); }
  __device__ static int Local() { return 0; }
  __device__ static int64_t First() { return blockIdx.x; }
  __device__ static int64_t Stride() { return gridDim.x; }
  template <typename N, typename Op>
  __device__ static N Reduce(N v, N identity, Op op) {
    static_assert(kWarp * sizeof(N) <= kReduceBytes);
    return BlockReduce(v, identity, op, SharedMemory<N>());
  }
  __device__ static void Sync() { __syncthreads(); }
};

// Neighbouring elements, moved at once.
template <typename T, int kPack>
struct alignas(kPack * sizeof(T)) Run {
  T at[kPack];
};

// x[i], x[i + 1], ... as numbers; zeros if x is null.
template <int kPack, typename T>
__device__ Run<Number<T>, kPack> LoadRun(const T* x, int64_t i) {
  Run<Number<T>, kPack> v = {};
  if (x == nullptr) return v;
  const Run<T, kPack> in = *reinterpret_cast<const Run<T, kPack>*>(x + i);
#pragma unroll
  for (int j = 0; j < kPack; ++j) v.at[j] = Widen(in.at[j]);
  return v;
}

template <typename T, typename N, int kPack>
__device__ void StoreRun(const Run<N, kPack>& v, T* y, int64_t i) {
  Run<T, kPack> out;
#pragma unroll
  for (int j = 0; j < kPack; ++j) out.at[j] = Narrow<T>(v.at[j]);
  *reinterpret_cast<Run<T, kPack>*>(y + i) = out;
}

// f(i, x's run from i, ...) for this thread's places i of a row of n. kPack > 1: n is a multiple of
// it, and every x is aligned to so many elements.
template <typename Row, int kPack, typename F, typename... T>
__device__ void ForRuns(int64_t n, F f, const T*... x) {
  for (int64_t i = static_cast<int64_t>(Row::Rank()) * kPack; i < n;
       i += static_cast<int64_t>(Row::Size()) * kPack)
    f(i, LoadRun<kPack>(x, i)...);
}

// y_i = f(i, x_i, ...).
template <typename Row, int kPack, typename To, typename F, typename... T>
__device__ void MapRow(int64_t n, To* y, F f, const T*... x) {
  ForRuns<Row, kPack>(
      n,
      [=](int64_t i, const auto&... run) {
        Run<Number<To>, kPack> out;
#pragma unroll
        for (int j = 0; j < kPack; ++j) out.at[j] = f(i + j, run.at[j]...);
        StoreRun(out, y, i);
      },
      x...);
}

// op over f(x_i, ...), for each of the row's threads.
template <typename Row, int kPack, typename N, typename Op, typename F, typename... T>
__device__ N ReduceRow(int64_t n, N identity, Op op, F f, const T*... x) {
  N result = identity;
  ForRuns<Row, kPack>(
      n,
      [&](int64_t, const auto&... run) {
#pragma unroll
        for (int j = 0; j < kPack; ++j) result = op(result, f(run.at[j]...));
      },
      x...);
  return Row::Reduce(result, identity, op);
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_ROW_CUH_
