#ifndef CORE_RANDOM_H_
#define CORE_RANDOM_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "core/tensor.h"

namespace palimpsest {

// A stream of random numbers that is a pure function of (seed, purpose, step) and the element's
// index: Philox4x32-10 (Salmon et al. 2011). The same on every device and for any number of
// threads.
struct RandomStream {
  uint64_t seed = 0;
  uint64_t purpose = 0;
  uint64_t step = 0;

  RandomStream(uint64_t seed, std::string_view purpose, uint64_t step = 0);
  // An independent stream: for a layer, an epoch, an example.
  RandomStream Fork(uint64_t salt) const;
  RandomStream Fork(std::string_view name) const;

  // Four 32-bit words of block `index`: Philox of (index, step), 64 bits each, under Key().
  std::array<uint32_t, 4> Words(uint64_t index) const;
  std::array<uint32_t, 2> Key() const;
  // Element `index` as uniform bits, as a uniform in [0, 1), as a standard normal (Box-Muller, in
  // f64).
  uint64_t Bits(uint64_t index) const;
  double Uniform(uint64_t index) const;
  double Normal(uint64_t index) const;
  // An integer in [0, n), without bias.
  uint64_t Below(uint64_t index, uint64_t n) const;
};

// Philox4x32-10: the words of `counter` under `key`.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Element i is the stream's element i, rounded to `dtype`.
Tensor RandomUniform(Shape shape, const RandomStream& stream, DType dtype);
Tensor RandomNormal(Shape shape, const RandomStream& stream, DType dtype, double stddev = 1.0);

}  // namespace palimpsest

#endif  // CORE_RANDOM_H_
