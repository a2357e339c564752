#include "core/crc32c.h"

#include <array>
#include <cstring>
#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace palimpsest {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // Reflected.

constexpr uint32_t AddByte(uint32_t crc) {
  for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
  return crc;
}

#ifdef __SSE4_2__
uint32_t Extend(uint32_t crc, const uint8_t* at, size_t bytes) {
  uint64_t wide = crc;
  for (; bytes >= 8; at += 8, bytes -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; bytes > 0; ++at, --bytes) crc = _mm_crc32_u8(crc, *at);
  return crc;
}
#else
uint32_t Extend(uint32_t crc, const uint8_t* at, size_t bytes) {
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) table[i] = AddByte(i);
    return table;
  }();
  for (; bytes > 0; ++at, --bytes) crc = crc >> 8 ^ kTable[(crc ^ *at) & 0xff];
  return crc;
}
#endif

}  // namespace

uint32_t Crc32c(const void* data, size_t bytes, uint32_t before) {
  return ~Extend(~before, static_cast<const uint8_t*>(data), bytes);
}

uint32_t Crc32cByBits(const void* data, size_t bytes, uint32_t before) {
  const auto* at = static_cast<const uint8_t*>(data);
  uint32_t crc = ~before;
  for (size_t i = 0; i < bytes; ++i) crc = AddByte(crc ^ at[i]);
  return ~crc;
}

}  // namespace palimpsest
