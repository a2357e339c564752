#ifndef CORE_HASH_H_
#define CORE_HASH_H_

#include <string>

namespace palimpsest {

// 16 hex digits that depend on the text alone (FNV-1a, 64 bits).
std::string TextHash(const std::string& text);

}  // namespace palimpsest

#endif  // CORE_HASH_H_
