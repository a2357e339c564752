#ifndef MEMORY_RULES_PLUGIN_ABI_H_
#define MEMORY_RULES_PLUGIN_ABI_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace palimpsest {

// The `kPalimpsestPluginAbi` of a shared object, read in the file: it is not loaded, and may be
// anything. Errors say why the file is no plugin, but not which file it is.
absl::StatusOr<int32_t> ReadPluginAbi(const std::string& path);

}  // namespace palimpsest

#endif  // MEMORY_RULES_PLUGIN_ABI_H_
