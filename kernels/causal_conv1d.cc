#include "kernels/causal_conv1d.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"

namespace palimpsest {

constinit Kernel<void(const CausalConv1dArgs&)> causal_conv1d("causal_conv1d");
constinit Kernel<void(const CausalConv1dVjpArgs&)> causal_conv1d_vjp("causal_conv1d_vjp");

namespace {

// Letters: B batch, T time, C channels, W width. A *place* of the input counts from the first of
// `before`, so that y_t reads the places t to t + W - 1.

constexpr int64_t kBlock = 64;       // Channels handled in registers.
constexpr int64_t kGrain = 1 << 14;  // Elements.
constexpr int64_t kPartRows = 128;   // Rows summed by one thread, whatever their number.

// Rows of a tensor with time, or null outside of it.
template <typename T>
struct Rows {
  const T* data;
  int64_t count, channels;
  const T* operator()(int64_t b, int64_t t) const {
    return data == nullptr || t < 0 || t >= count ? nullptr : data + (b * count + t) * channels;
  }
};

// The input by place.
template <typename T>
struct Places {
  explicit Places(const CausalConv1dArgs& a)
      : history(a.width - 1),
        x{static_cast<const T*>(a.x), a.time, a.channels},
        before{static_cast<const T*>(a.before), history, a.channels} {}
  const T* operator()(int64_t b, int64_t place) const {
    return place < history ? before(b, place) : x(b, place - history);
  }
  int64_t history;
  Rows<T> x, before;
};

// [C, W] -> [W, C].
template <typename T>
std::vector<Accumulator<T>> ByTap(const CausalConv1dArgs& a) {
  const T* weight = static_cast<const T*>(a.weight);
  std::vector<Accumulator<T>> taps(a.width * a.channels);
  for (int64_t c = 0; c < a.channels; ++c) {
    for (int64_t s = 0; s < a.width; ++s) {
      taps[s * a.channels + c] = static_cast<Accumulator<T>>(weight[c * a.width + s]);
    }
  }
  return taps;
}

// out = start + sum_s taps[s] * row(s), skipping the rows that are null.
template <typename T, typename RowOf>
void SumTaps(int64_t width, int64_t channels, const Accumulator<T>* taps, const T* start, RowOf row,
             T* out) {
  for (int64_t c = 0; c < channels; c += kBlock) {
    const int64_t n = std::min(kBlock, channels - c);
    Accumulator<T> sum[kBlock];
    for (int64_t j = 0; j < n; ++j)
      sum[j] = start == nullptr ? Accumulator<T>(0) : static_cast<Accumulator<T>>(start[c + j]);
    for (int64_t s = 0; s < width; ++s) {
      const T* in = row(s);
      if (in == nullptr) continue;
      const Accumulator<T>* tap = taps + s * channels + c;
      for (int64_t j = 0; j < n; ++j) sum[j] += tap[j] * static_cast<Accumulator<T>>(in[c + j]);
    }
    for (int64_t j = 0; j < n; ++j) out[c + j] = static_cast<T>(sum[j]);
  }
}

void ForwardCpu(const CausalConv1dArgs& a) {
  DispatchFloat(a.dtype, [&]<typename T>() {
    const auto taps = ByTap<T>(a);
    const Places<T> in(a);
    T* y = static_cast<T*>(a.y);
    ParallelFor(a.batch * a.time, kGrain / std::max<int64_t>(a.channels, 1) + 1,
                [&](int64_t begin, int64_t end) {
                  for (int64_t i = begin; i < end; ++i) {
                    const int64_t b = i / a.time, t = i % a.time;
                    SumTaps<T>(
                        a.width, a.channels, taps.data(), static_cast<const T*>(a.bias),
                        [&](int64_t s) { return in(b, t + s); }, y + i * a.channels);
                  }
                });
  });
}

// The gradient of each place of the input: sum_s weight[s] dy[place - s].
template <typename T>
void PlaceGradients(const CausalConv1dVjpArgs& args) {
  const CausalConv1dArgs& a = args.forward;
  const auto taps = ByTap<T>(a);
  const Rows<T> dy{static_cast<const T*>(args.dy), a.time, a.channels};
  const int64_t history = a.width - 1, places = history + a.time;
  ParallelFor(a.batch * places, kGrain / std::max<int64_t>(a.channels, 1) + 1,
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  const int64_t b = i / places, place = i % places;
                  T* out = static_cast<T*>(place < history ? args.dbefore : args.dx);
                  if (out == nullptr) continue;
                  out += (place < history ? b * history + place : b * a.time + place - history) *
                         a.channels;
                  SumTaps<T>(
                      a.width, a.channels, taps.data(), nullptr,
                      [&](int64_t s) { return dy(b, place - s); }, out);
                }
              });
}

// The gradients of bias and taps, [W + 1, C], summed over the rows of y in parts of a fixed size.
template <typename T>
std::vector<Accumulator<T>> WeightGradients(const CausalConv1dVjpArgs& args) {
  const CausalConv1dArgs& a = args.forward;
  const Places<T> in(a);
  const T* dy = static_cast<const T*>(args.dy);
  const int64_t rows = a.batch * a.time, parts = (rows + kPartRows - 1) / kPartRows,
                sums = (a.width + 1) * a.channels;
  std::vector<Accumulator<T>> sum(std::max<int64_t>(parts, 1) * sums);
  ParallelFor(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * kPartRows; i < std::min(rows, end * kPartRows); ++i) {
      Accumulator<T>* part = sum.data() + i / kPartRows * sums;
      const T* d = dy + i * a.channels;
      for (int64_t c = 0; c < a.channels; ++c) part[c] += static_cast<Accumulator<T>>(d[c]);
      for (int64_t s = 0; s < a.width; ++s) {
        part += a.channels;
        const T* x = in(i / a.time, i % a.time + s);
        if (x == nullptr) continue;
        for (int64_t c = 0; c < a.channels; ++c) {
          part[c] += static_cast<Accumulator<T>>(d[c]) * static_cast<Accumulator<T>>(x[c]);
        }
      }
    }
  });
  for (int64_t p = 1; p < parts; ++p) {
    for (int64_t i = 0; i < sums; ++i) sum[i] += sum[p * sums + i];
  }
  sum.resize(sums);
  return sum;
}

void VjpCpu(const CausalConv1dVjpArgs& args) {
  const CausalConv1dArgs& a = args.forward;
  DispatchFloat(a.dtype, [&]<typename T>() {
    PlaceGradients<T>(args);
    const auto sum = WeightGradients<T>(args);
    T *dweight = static_cast<T*>(args.dweight), *dbias = static_cast<T*>(args.dbias);
    for (int64_t c = 0; c < a.channels; ++c) {
      if (dbias != nullptr) dbias[c] = static_cast<T>(sum[c]);
      for (int64_t s = 0; s < a.width; ++s) {
        dweight[c * a.width + s] = static_cast<T>(sum[(s + 1) * a.channels + c]);
      }
    }
  });
}

PALIMPSEST_REGISTER_KERNEL(causal_conv1d, kCpu, ForwardCpu);
PALIMPSEST_REGISTER_KERNEL(causal_conv1d_vjp, kCpu, VjpCpu);

}  // namespace
}  // namespace palimpsest
