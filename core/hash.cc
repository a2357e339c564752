#include "core/hash.h"

#include <cstdint>

#include "absl/strings/str_format.h"

namespace palimpsest {

std::string TextHash(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return absl::StrFormat("%016x", hash);
}

}  // namespace palimpsest
