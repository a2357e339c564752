#include "core/random.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "core/parallel.h"

namespace palimpsest {
namespace {

constexpr int64_t kGrain = 4096;

// FNV-1a, then splitmix64's finaliser: names and salts become keys that share no bits by accident.
uint64_t Hash(std::string_view s) {
  uint64_t h = 0xcbf29ce484222325u;
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

template <typename F>
Tensor Fill(Shape shape, DType dtype, F f) {
  Tensor x = Tensor::Empty(std::move(shape), dtype);
  DispatchFloat(dtype, [&]<typename T>() {
    T* data = x.mutable_data<T>();
    ParallelFor(x.size(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) data[i] = static_cast<T>(f(i));
    });
  });
  return x;
}

}  // namespace

std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xd2511f53u} * c[0], b = uint64_t{0xcd9e8d57u} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    k[0] += 0x9e3779b9u;
    k[1] += 0xbb67ae85u;
  }
  return c;
}

RandomStream::RandomStream(uint64_t seed, std::string_view purpose, uint64_t step)
    : seed(seed), purpose(Hash(purpose)), step(step) {}

RandomStream RandomStream::Fork(uint64_t salt) const {
  RandomStream fork = *this;
  fork.purpose = Mix(purpose ^ Mix(salt));
  return fork;
}

RandomStream RandomStream::Fork(std::string_view name) const { return Fork(Hash(name)); }

std::array<uint32_t, 2> RandomStream::Key() const {
  const uint64_t key = Mix(seed ^ Mix(purpose));
  return {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
}

std::array<uint32_t, 4> RandomStream::Words(uint64_t index) const {
  return Philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                 static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32)},
                Key());
}

uint64_t RandomStream::Bits(uint64_t index) const {
  const auto w = Words(index);
  return uint64_t{w[1]} << 32 | w[0];
}

double RandomStream::Uniform(uint64_t index) const {
  return static_cast<double>(Bits(index) >> 11) * 0x1p-53;
}

double RandomStream::Normal(uint64_t index) const {
  const auto w = Words(index);
  // In (0, 1]: the logarithm is finite.
  const double u = (static_cast<double>((uint64_t{w[1]} << 32 | w[0]) >> 11) + 1.0) * 0x1p-53;
  const double v = static_cast<double>((uint64_t{w[3]} << 32 | w[2]) >> 11) * 0x1p-53;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

uint64_t RandomStream::Below(uint64_t index, uint64_t n) const {
  PALIMPSEST_CHECK(n > 0) << "no integer is below 0";
  const uint64_t threshold = -n % n;
  for (RandomStream retry = *this;; retry = retry.Fork(n)) {
    const unsigned __int128 product = static_cast<unsigned __int128>(retry.Bits(index)) * n;
    if (static_cast<uint64_t>(product) >= threshold) return static_cast<uint64_t>(product >> 64);
  }
}

Tensor RandomUniform(Shape shape, const RandomStream& stream, DType dtype) {
  return Fill(std::move(shape), dtype, [&](int64_t i) { return stream.Uniform(i); });
}

Tensor RandomNormal(Shape shape, const RandomStream& stream, DType dtype, double stddev) {
  return Fill(std::move(shape), dtype, [&](int64_t i) { return stddev * stream.Normal(i); });
}

}  // namespace palimpsest
