#include "nn/mixer.h"

namespace palimpsest {

const Tensor& Carried(const NamedTensors& state, const std::string& name) {
  const auto it = state.find(name);
  PALIMPSEST_CHECK(it != state.end())
      << "the carried state has no \"" << name << "\": is it another model's?";
  return it->second;
}

int64_t TotalBytes(const NamedTensors& tensors) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes();
  return bytes;
}

}  // namespace palimpsest
