#include "nn/mixer.h"

namespace palimpsest {

const Tensor& Carried(const NamedTensors& state, const std::string& name) {
  const auto it = state.find(name);
  PALIMPSEST_CHECK(it != state.end())
      << "the carried state has no \"" << name << "\": is it another model's?";
  return it->second;
}

}  // namespace palimpsest
