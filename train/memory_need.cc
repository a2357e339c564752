#include "train/memory_need.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/allocator.h"
#include "train/device.h"

namespace palimpsest {
namespace {

// "blocks.3.mixer.q.weight" -> "blocks.mixer.q".
std::string PartOf(const std::string& path) {
  std::vector<std::string> names = absl::StrSplit(path, '.');
  if (names.size() > 2 && names[0] == "blocks") names.erase(names.begin() + 1);
  if (names.size() > 1) names.pop_back();
  return absl::StrJoin(names, ".");
}

// The fields that the size of a part follows from, besides model.width.
std::string FieldsOf(const std::string& part) {
  if (part == "embedding" || part == "head") return "model.vocab_size";
  if (part == "positions") return "model.learned_positions";
  if (!absl::StartsWith(part, "blocks.")) return "model.residual.channels and conv";
  if (absl::StrContains(part, "persistent")) return "persistent and model.layers";
  if (absl::StrContains(part, "_residual")) return "beta_hidden and channels of the residual";
  if (absl::StrContains(part, ".mlp.levels")) return "hidden and expansion of the cms's levels";
  if (absl::StartsWith(part, "blocks.mlp")) return "mlp.hidden or mlp.expansion and model.layers";
  return "heads, key_dim, value_heads, expand_k and expand_v and model.layers";
}

std::string GiB(double bytes) { return absl::StrFormat("%.1f GiB", bytes / 1073741824.0); }

// The two largest parts of the parameters, with their fields.
std::string Largest(const MemoryNeed& need) {
  std::vector<std::pair<double, std::string>> parts;
  for (const auto& [part, bytes] : need.parts) parts.emplace_back(bytes, part);
  std::sort(parts.rbegin(), parts.rend());
  parts.resize(std::min<size_t>(parts.size(), 2));
  return absl::StrJoin(parts, "; ", [&](std::string* out, const auto& part) {
    absl::StrAppendFormat(out, "%s is %.0f%% of the parameters (%s)", part.second,
                          100 * part.first / need.parameters, FieldsOf(part.second));
  });
}

// As the allocator's limit: the machine's, or the share of its control group.
int64_t MachineBytes() {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  int64_t group = 0;
  const bool shared = (std::ifstream("/sys/fs/cgroup/memory.max") >> group) && group > 0;
  return shared ? std::min(machine, group) : machine;
}

int64_t FreeBytes() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (int64_t kib; file >> name >> kib; std::getline(file, unit)) {
    if (name == "MemAvailable:") return kib * 1024;
  }
  return INT64_MAX;  // Not known.
}

absl::Status CheckFits(const MemoryNeed& need, const TrainConfig& config, int64_t bytes,
                       const std::string& bytes_are) {
  if (need.total() <= static_cast<double>(bytes)) return absl::OkStatus();
  std::string text = absl::StrCat(
      "needs ", GiB(need.total()), " for parameters (", GiB(need.parameters), "), gradients (",
      GiB(need.gradients), "), optimizer state (", GiB(need.optimizer), ") and logits (",
      GiB(need.logits), "), and ", bytes_are, " ", GiB(static_cast<double>(bytes)), ".");
  if (need.parameters > need.logits)
    absl::StrAppend(&text, " With model.width ", config.model().width(), ", ", Largest(need), ".");
  else
    absl::StrAppend(&text, " The logits are of batch ", config.batch(), " / grad_accumulation ",
                    config.grad_accumulation(), " sequences of length ", config.length(),
                    " with model.vocab_size ", config.model().vocab_size(), ".");
  return absl::OutOfRangeError(text);
}

}  // namespace

MemoryNeed NeedOf(const TrainConfig& config, const NamedTensors& params) {
  MemoryNeed need;
  for (const auto& [path, param] : params) {
    const double bytes =
        static_cast<double>(param.size()) * static_cast<double>(SizeOf(param.dtype()));
    need.parameters += bytes;
    need.parts[PartOf(path)] += bytes;
  }
  need.gradients = need.parameters;
  const double rows = static_cast<double>(config.batch() / config.grad_accumulation());
  const double bytes = config.dtype() == "f64" ? 8 : config.dtype() == "bf16" ? 2 : 4;
  need.logits = 2 * bytes * rows * static_cast<double>(config.length()) *
                static_cast<double>(config.model().vocab_size());
  return need;
}

absl::Status CheckMemory(const MemoryNeed& need, const TrainConfig& config) {
  const int64_t limit = config.memory_limit_mb() * 1000000;
  if (limit > 0) return CheckFits(need, config, limit, "memory_limit_mb is");
  if (config.device() == TrainConfig::CPU)
    return CheckFits(need, config, MachineBytes(), "this machine has");
  const absl::StatusOr<Device> device = ConfigDevice(config);
  if (!device.ok()) return absl::OkStatus();  // It is to run elsewhere.
  return CheckFits(need, config, Allocator::Of(*device).limit(), "the GPU has");
}

absl::Status CheckFreeMemory(const MemoryNeed& need, const TrainConfig& config) {
  absl::Status s = CheckMemory(need, config);
  if (!s.ok() || config.device() != TrainConfig::CPU) return s;
  return CheckFits(need, config, FreeBytes(), "what is free of this machine is");
}

}  // namespace palimpsest
