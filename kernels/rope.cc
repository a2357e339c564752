#include "kernels/rope.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"

namespace palimpsest {

constinit Kernel<void(const RopeArgs&)> rope("rope");

namespace {

constexpr int64_t kGrain = 1 << 14;  // Elements.
// Positions from one exact angle to the next; between them angles are added, in f64.
constexpr int64_t kExactEvery = 64;

int64_t FloorToExact(int64_t position) {
  const int64_t rest = position % kExactEvery;
  return position - (rest < 0 ? rest + kExactEvery : rest);
}

// Cosines and sines of every angle, [time, half]. They depend on the position alone, not on where
// the sequence begins: a token decoded from a cache is turned by the same bits.
template <typename T>
struct Angles {
  explicit Angles(const RopeArgs& a) : half(a.dim / 2), cos(a.time * half), sin(a.time * half) {
    std::vector<double> frequency(half);
    for (int64_t i = 0; i < half; ++i) {
      frequency[i] = std::pow(a.base, -2.0 * static_cast<double>(i) / static_cast<double>(a.dim));
    }
    const int64_t first = FloorToExact(a.offset), end = a.offset + a.time;
    ParallelFor((end - first + kExactEvery - 1) / kExactEvery,
                kGrain / (kExactEvery * half + 1) + 1, [&](int64_t begin_block, int64_t end_block) {
                  for (int64_t block = begin_block; block < end_block; ++block) {
                    const int64_t position = first + block * kExactEvery;
                    FillBlock(frequency, a.offset, position, std::min(position + kExactEvery, end));
                  }
                });
  }

  const int64_t half;
  std::vector<T> cos, sin;

 private:
  // Positions [begin, end), of which those before `offset` are not asked for.
  void FillBlock(const std::vector<double>& frequency, int64_t offset, int64_t begin, int64_t end) {
    std::vector<double> c(half), s(half), step_c(half), step_s(half);
    for (int64_t i = 0; i < half; ++i) {
      c[i] = std::cos(static_cast<double>(begin) * frequency[i]),
      s[i] = std::sin(static_cast<double>(begin) * frequency[i]);
      step_c[i] = std::cos(frequency[i]), step_s[i] = std::sin(frequency[i]);
    }
    for (int64_t position = begin; position < end; ++position) {
      if (position >= offset) {
        std::transform(c.begin(), c.end(), cos.begin() + (position - offset) * half,
                       [](double v) { return static_cast<T>(v); });
        std::transform(s.begin(), s.end(), sin.begin() + (position - offset) * half,
                       [](double v) { return static_cast<T>(v); });
      }
      for (int64_t i = 0; i < half; ++i) {
        const double next = c[i] * step_c[i] - s[i] * step_s[i];
        s[i] = s[i] * step_c[i] + c[i] * step_s[i];
        c[i] = next;
      }
    }
  }
};

template <typename T>
void Turn(const T* x, int64_t half, const Accumulator<T>* cos, const Accumulator<T>* sin,
          Accumulator<T> sign, T* __restrict y) {
  using A = Accumulator<T>;
  for (int64_t i = 0; i < half; ++i) {
    const A low = static_cast<A>(x[i]), high = static_cast<A>(x[i + half]), s = sign * sin[i];
    y[i] = static_cast<T>(low * cos[i] - high * s);
    y[i + half] = static_cast<T>(high * cos[i] + low * s);
  }
}

void RopeCpu(const RopeArgs& a) {
  DispatchFloat(a.dtype, [&]<typename T>() {
    const Angles<Accumulator<T>> angles(a);
    const int64_t half = angles.half, row = a.heads * a.dim;
    const T* x = static_cast<const T*>(a.x);
    T* y = static_cast<T*>(a.y);
    ParallelFor(a.batch * a.time, kGrain / std::max<int64_t>(row, 1) + 1,
                [&](int64_t begin, int64_t end) {
                  for (int64_t i = begin; i < end; ++i) {
                    const int64_t angle = i % a.time * half;
                    for (int64_t at = i * row; at < (i + 1) * row; at += a.dim) {
                      Turn<T>(x + at, half, angles.cos.data() + angle, angles.sin.data() + angle,
                              a.back ? -1 : 1, y + at);
                    }
                  }
                });
  });
}

PALIMPSEST_REGISTER_KERNEL(rope, kCpu, RopeCpu);

}  // namespace
}  // namespace palimpsest
