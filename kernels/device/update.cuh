#ifndef KERNELS_DEVICE_UPDATE_CUH_
#define KERNELS_DEVICE_UPDATE_CUH_

#include <cstdint>

#include "core/scalar.h"
#include "kernels/device/bf16.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared.cuh"

// Updates of many parameters in one launch. A rule says what one element comes to:
//   kState                              tensors of state
//   Constants<N>, Prepare<N>(now)       what a block computes once
//   Apply(c, param, grad, state)        the update, in place
//   kSums, Add(c, param, grad, state, skips, sums)   of a rule that sums; may change the state
//   Result(sums, to)
//   Finish<N>(c, now)                   what one thread does afterwards for the whole tensor
namespace palimpsest::device {

inline constexpr int kUpdateThreads = 256;
// Elements that a block takes; a multiple of those in 16 bytes.
inline constexpr int64_t kPiece = int64_t{1} << 14;

// A parameter and its state. A null input reads as 0, a null output is not written.
template <int kState>
struct UpdateTensors {
  const void *param = nullptr, *grad = nullptr;
  const void* in[kState] = {};
  void *param_out = nullptr, *low_out = nullptr;
  void* out[kState] = {};
  int64_t size = 0;
  Scalar steps = 1.0;
  const double* grad_scale = nullptr;
  double* sums = nullptr;  // Of a rule that sums.
  bool packs = false;      // All are aligned to 16 bytes.
};

__device__ inline double ValueOf(const Scalar& x) {
  return x.at == nullptr ? x.plus : x.plus + x.times * *x.at;
}

// The step, as far as the device knows it alone.
struct Now {
  double grad_scale, steps;
  bool skips;
};

template <typename Rule>
struct UpdateRow {
  UpdateTensors<Rule::kState> tensors;
  Rule rule;
};

// Bytes of a launch's parameters: 32,764 on a GPU (CUDA 12.1, sm_70). The simulator copies them for
// each thread.
#ifdef __CUDACC__
inline constexpr int kTableBytes = 32000;
#else
inline constexpr int kTableBytes = 4000;
#endif

// Rows of a launch, which is given them by value.
template <typename Row>
struct UpdateTable {
  static constexpr int kRows = (kTableBytes - 16) / (sizeof(Row) + sizeof(uint32_t));
  static_assert(kRows > 0);
  int count = 0;
  uint32_t first_block[kRows + 1] = {};
  Row rows[kRows] = {};

  __device__ int RowOf(uint32_t block) const {
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (first_block[middle] <= block ? low : high) = middle;
    }
    return low;
  }
};

template <typename T, int kSize>
struct alignas(sizeof(T) * kSize) Values {
  T at[kSize];
};

template <int kSize, typename T>
__device__ Values<T, kSize> LoadValues(const void* x, int64_t i) {
  Values<T, kSize> values = {};
  if (x != nullptr)
    values = *reinterpret_cast<const Values<T, kSize>*>(static_cast<const T*>(x) + i);
  return values;
}
template <int kSize, typename T>
__device__ void StoreValues(const Values<T, kSize>& values, void* y, int64_t i) {
  if (y != nullptr) *reinterpret_cast<Values<T, kSize>*>(static_cast<T*>(y) + i) = values;
}

// Reads kSize elements from i on, calls f(param, grad, state) for each and writes them back.
template <int kSize, typename T, typename G, int kState, typename F>
__device__ void MapValues(const UpdateTensors<kState>& x, int64_t i, F f) {
  auto param = LoadValues<kSize, T>(x.param, i);
  const auto grad = LoadValues<kSize, G>(x.grad, i);
  Values<T, kSize> state[kState];
#pragma unroll
  for (int k = 0; k < kState; ++k) state[k] = LoadValues<kSize, T>(x.in[k], i);
  Values<G, kSize> low;
#pragma unroll
  for (int j = 0; j < kSize; ++j) {
    T s[kState];
#pragma unroll
    for (int k = 0; k < kState; ++k) s[k] = state[k].at[j];
    f(param.at[j], Widen(grad.at[j]), s);
#pragma unroll
    for (int k = 0; k < kState; ++k) state[k].at[j] = s[k];
    low.at[j] = Narrow<G>(param.at[j]);
  }
  StoreValues<kSize, T>(param, x.param_out, i);
  StoreValues<kSize, G>(low, x.low_out, i);
#pragma unroll
  for (int k = 0; k < kState; ++k) StoreValues<kSize, T>(state[k], x.out[k], i);
}

// The same for the elements [begin, end), by the threads of a block.
template <typename T, typename G, int kState, typename F>
__device__ void MapPiece(const UpdateTensors<kState>& x, int64_t begin, int64_t end, F f) {
  constexpr int kSize = 16 / sizeof(T);
  const int64_t packed = x.packs ? begin + (end - begin) / kSize * kSize : begin;
  for (int64_t i = begin + threadIdx.x * kSize; i < packed; i += blockDim.x * kSize)
    MapValues<kSize, T, G>(x, i, f);
  for (int64_t i = packed + threadIdx.x; i < end; i += blockDim.x) MapValues<1, T, G>(x, i, f);
}

template <int kState>
__device__ Now NowOf(const UpdateTensors<kState>& x) {
  const double scale = x.grad_scale == nullptr ? 1.0 : *x.grad_scale;
  return {scale, ValueOf(x.steps), scale != scale};
}

// Prepare, by one thread for the block.
template <typename T, typename Rule>
__device__ typename Rule::template Constants<T> Prepared(const Rule& rule, const Now& now) {
  auto* shared = SharedMemory<typename Rule::template Constants<T>>();
  if (threadIdx.x == 0) *shared = rule.template Prepare<T>(now);
  __syncthreads();
  return *shared;
}

// A block's part of a row.
struct Piece {
  int row;
  int64_t begin, end;

  template <typename Table>
  __device__ explicit Piece(const Table& table) : row(table.RowOf(blockIdx.x)) {
    const int64_t size = table.rows[row].tensors.size;
    begin = (blockIdx.x - table.first_block[row]) * kPiece;
    end = begin + kPiece < size ? begin + kPiece : size;
  }
};

template <typename T, typename G, typename Rule>
__global__ void UpdateKernel(UpdateTable<UpdateRow<Rule>> table) {
  const Piece piece(table);
  const auto& [tensors, rule] = table.rows[piece.row];
  const Now now = NowOf(tensors);
  const auto c = Prepared<T>(rule, now);
  MapPiece<T, G>(tensors, piece.begin, piece.end, [&](T& param, T grad, auto& state) {
    if (!now.skips) Rule::Apply(c, param, grad, state);
  });
}

// A block for each row, when its pieces are done: they need what this changes.
template <typename T, typename Rule>
__global__ void FinishKernel(UpdateTable<UpdateRow<Rule>> table) {
  const auto& [tensors, rule] = table.rows[blockIdx.x];
  const Now now = NowOf(tensors);
  if (threadIdx.x == 0) rule.template Finish<T>(rule.template Prepare<T>(now), now);
}

// partial [blocks, kSums]: the sums over each block's piece.
template <typename T, typename G, typename Rule>
__global__ void PieceSumsKernel(UpdateTable<UpdateRow<Rule>> table, double* partial) {
  const Piece piece(table);
  const auto& [tensors, rule] = table.rows[piece.row];
  const Now now = NowOf(tensors);
  const auto c = Prepared<T>(rule, now);
  double sums[Rule::kSums] = {};
  MapPiece<T, G>(tensors, piece.begin, piece.end, [&](T& param, T grad, auto& state) {
    Rule::Add(c, param, grad, state, now.skips, sums);
  });
  __syncthreads();  // Of what was prepared; now its place is another's.
  double* shared = SharedMemory<double>();
  for (int k = 0; k < Rule::kSums; ++k) {
    const double sum = BlockReduce(sums[k], 0.0, Plus(), shared);
    if (threadIdx.x == 0) partial[int64_t{blockIdx.x} * Rule::kSums + k] = sum;
  }
}

// A block for each row: its pieces' sums, and what they come to.
template <typename Rule>
__global__ void RowSumsKernel(UpdateTable<UpdateRow<Rule>> table, const double* partial) {
  double sums[Rule::kSums] = {};
  const auto& [tensors, rule] = table.rows[blockIdx.x];
  const uint32_t end = table.first_block[blockIdx.x + 1];
  for (uint32_t b = table.first_block[blockIdx.x] + threadIdx.x; b < end; b += blockDim.x) {
    for (int k = 0; k < Rule::kSums; ++k) sums[k] += partial[int64_t{b} * Rule::kSums + k];
  }
  double* shared = SharedMemory<double>();
  for (int k = 0; k < Rule::kSums; ++k) sums[k] = BlockReduce(sums[k], 0.0, Plus(), shared);
  if (threadIdx.x == 0) rule.Result(sums, tensors.sums);
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_UPDATE_CUH_
