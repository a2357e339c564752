#include "nn/mixer.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace palimpsest {

NamedTensors Under(const NamedTensors& all, const std::string& prefix) {
  NamedTensors part;
  for (auto it = all.lower_bound(prefix + "."); it != all.end(); ++it) {
    if (!absl::StartsWith(it->first, prefix + ".")) break;
    part[it->first.substr(prefix.size() + 1)] = it->second;
  }
  return part;
}

void PutUnder(const std::string& prefix, NamedTensors part, NamedTensors& all) {
  for (auto& [name, tensor] : part) all[absl::StrCat(prefix, ".", name)] = std::move(tensor);
}

StatisticSink Under(const StatisticSink& sink, const std::string& prefix) {
  if (!sink) return {};
  return [sink, prefix](const std::string& path, double value) {
    sink(absl::StrCat(prefix, ".", path), value);
  };
}

void PutTensors(const std::string& name, const Tensors& tensors, NamedTensors& state) {
  for (size_t i = 0; i < tensors.size(); ++i) state[absl::StrCat(name, ".", i)] = tensors[i];
}

Tensors CarriedTensors(const NamedTensors& state, const std::string& name) {
  Tensors tensors{Carried(state, absl::StrCat(name, ".0"))};
  for (auto it = state.end();; tensors.push_back(it->second)) {
    it = state.find(absl::StrCat(name, ".", tensors.size()));
    if (it == state.end()) return tensors;
  }
}

const Tensor& Carried(const NamedTensors& state, const std::string& name) {
  const auto it = state.find(name);
  PALIMPSEST_CHECK(it != state.end())
      << "the carried state has no \"" << name << "\": is it another model's?";
  return it->second;
}

}  // namespace palimpsest
