#ifndef KERNELS_DEVICE_ONLINE_SUM_CUH_
#define KERNELS_DEVICE_ONLINE_SUM_CUH_

#include "kernels/device/row.cuh"

namespace palimpsest::device {

// sum_i exp(x_i - max) in one pass: what was summed is scaled when the maximum grows.
template <typename N>
struct OnlineSum {
  N max = N(-INFINITY), sum = N(0);

  // NaN where the maximum is not finite, as x - max is.
  __device__ N Sum() const { return sum + (max - max); }

  template <int kPack>
  __device__ void Add(const Run<N, kPack>& x) {
    N larger = max;
#pragma unroll
    for (int j = 0; j < kPack; ++j) larger = Max(larger, x.at[j]);
    sum *= Power(max, larger);
    max = larger;
#pragma unroll
    for (int j = 0; j < kPack; ++j) sum += Power(x.at[j], max);
  }

  // exp(x - max), also of infinities while they are the maximum.
  __device__ static N Power(N x, N max) { return x == max ? N(1) : exp(x - max); }
};

template <typename N>
__device__ OnlineSum<N> FromLane(OnlineSum<N> v, int mask) {
  return {FromLane(v.max, mask), FromLane(v.sum, mask)};
}

struct Merge {
  template <typename N>
  __device__ OnlineSum<N> operator()(const OnlineSum<N>& a, const OnlineSum<N>& b) const {
    const bool swap = a.max < b.max;
    const OnlineSum<N>&large = swap ? b : a, &small = swap ? a : b;
    return {Max(a.max, b.max), large.sum + small.sum * OnlineSum<N>::Power(small.max, large.max)};
  }
};

// Of a row, for each of its threads.
template <typename Row, int kPack, typename T>
__device__ OnlineSum<Number<T>> SumExpRow(int64_t n, const T* x) {
  OnlineSum<Number<T>> total;
  ForRuns<Row, kPack>(
      n, [&](int64_t, const auto& run) { total.Add(run); }, x);
  return Row::Reduce(total, OnlineSum<Number<T>>(), Merge());
}

}  // namespace palimpsest::device

#endif  // KERNELS_DEVICE_ONLINE_SUM_CUH_
