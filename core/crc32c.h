#ifndef CORE_CRC32C_H_
#define CORE_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace palimpsest {

// CRC-32C (Castagnoli, RFC 3720 B.4) of the bytes; `before`: of those in front of them.
uint32_t Crc32c(const void* data, size_t bytes, uint32_t before = 0);
inline uint32_t Crc32c(const std::string& text) { return Crc32c(text.data(), text.size()); }

// The definition: a bit at a time.
uint32_t Crc32cByBits(const void* data, size_t bytes, uint32_t before = 0);

}  // namespace palimpsest

#endif  // CORE_CRC32C_H_
