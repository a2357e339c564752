#ifndef KERNELS_DEVICE_SORT_CUH_
#define KERNELS_DEVICE_SORT_CUH_

#include <cstdint>

#include "kernels/device/map.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/shared.cuh"

// A stable sort of numbered keys, by one digit at a time: how often each digit occurs in each tile
// of the input, the sums over all that comes before, and then each key to its place.
namespace palimpsest::device {

inline constexpr int kDigitBits = 8;
inline constexpr int kDigits = 1 << kDigitBits;
inline constexpr int kRounds = 8;
inline constexpr int64_t kSortTile = int64_t{kThreads} * kRounds;
static_assert(kDigits == kThreads);  // A thread has a digit.
inline constexpr int kSortWarps = kThreads / kWarp;

inline constexpr size_t kCountBytes = kDigits * sizeof(int);
inline constexpr size_t kPlaceBytes = kDigits * (sizeof(int64_t) + kSortWarps * sizeof(int));
inline constexpr int kSumThreads = 1024;

template <typename Key>
__device__ int DigitOf(Key key, int shift) {
  return static_cast<int>(static_cast<uint64_t>(key) >> shift) & (kDigits - 1);
}

// counts [kDigits, tiles]
template <typename Key>
__device__ void CountDigits(const Key* keys, int64_t n, int shift, int64_t tiles, int64_t* counts) {
  int* of_digit = SharedMemory<int>();
  const int thread = static_cast<int>(threadIdx.x);
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    of_digit[thread] = 0;
    __syncthreads();
    for (int round = 0; round < kRounds; ++round) {
      const int64_t i = tile * kSortTile + round * kThreads + thread;
      if (i < n) atomicAdd(of_digit + DigitOf(keys[i], shift), 1);
    }
    __syncthreads();
    counts[thread * tiles + tile] = of_digit[thread];
    __syncthreads();
  }
}

// x_i = sum_{j < i} x_j, by one block of kSumThreads threads.
__device__ inline void SumBefore(int64_t* x, int64_t n) {
  int64_t* of_warp = SharedMemory<int64_t>();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  int64_t before = 0;
  for (int64_t first = 0; first < n; first += kSumThreads) {
    const int64_t i = first + thread, own = i < n ? x[i] : 0;
    int64_t sum = own;
    for (int by = 1; by < kWarp; by *= 2) {
      const int64_t other = __shfl_up_sync(kAllLanes, sum, by);
      if (lane >= by) sum += other;
    }
    if (lane == kWarp - 1) of_warp[warp] = sum;
    __syncthreads();
    int64_t all = 0;
    for (int w = 0; w < kSumThreads / kWarp; ++w) {
      if (w == warp) sum += before + all;
      all += of_warp[w];
    }
    if (i < n) x[i] = sum - own;
    before += all;
    __syncthreads();
  }
}

// The lanes whose digit is this lane's; all lanes call it, those without a key with -1.
__device__ inline unsigned SameDigit(int digit) {
  const unsigned some = __ballot_sync(kAllLanes, digit >= 0);
  unsigned same = some;
  for (int bit = 0; bit < kDigitBits; ++bit) {
    const bool set = (digit >> bit & 1) != 0;
    const unsigned votes = __ballot_sync(kAllLanes, set);
    same &= set ? votes : ~votes;
  }
  return digit >= 0 ? same : 0;
}

// Each key, with its number, to its place: `starts` are the summed counts. numbers null: i itself.
template <typename Key>
__device__ void PlaceKeys(const Key* keys, const int64_t* numbers, int64_t n, int shift,
                          int64_t tiles, const int64_t* starts, Key* keys_out,
                          int64_t* numbers_out) {
  int64_t* next = SharedMemory<int64_t>();                // [kDigits]
  int* of_warp = reinterpret_cast<int*>(next + kDigits);  // [kSortWarps, kDigits]
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    next[thread] = starts[thread * tiles + tile];
    for (int w = 0; w < kSortWarps; ++w) of_warp[w * kDigits + thread] = 0;
    __syncthreads();
    for (int round = 0; round < kRounds; ++round) {
      const int64_t i = tile * kSortTile + round * kThreads + thread;
      const Key key = i < n ? keys[i] : Key(0);
      const int digit = i < n ? DigitOf(key, shift) : -1;
      const unsigned same = SameDigit(digit), before = same & ((1u << lane) - 1u);
      if (same != 0 && before == 0) of_warp[warp * kDigits + digit] = __popc(same);
      __syncthreads();
      if (i < n) {
        int64_t place = next[digit] + __popc(before);
        for (int w = 0; w < warp; ++w) place += of_warp[w * kDigits + digit];
        keys_out[place] = key;
        numbers_out[place] = numbers != nullptr ? numbers[i] : i;
      }
      __syncthreads();
      for (int w = 0; w < kSortWarps; ++w) {
        next[thread] += of_warp[w * kDigits + thread];
        of_warp[w * kDigits + thread] = 0;
      }
      __syncthreads();
    }
  }
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_SORT_CUH_
