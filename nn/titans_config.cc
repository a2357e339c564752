#include "nn/config_check.h"

namespace palimpsest {

absl::Status ResolveTitans(const std::string& path, int64_t width, ModelConfig::Titans& t) {
  ConfigCheck check(path);
  check.Size("segment", t.segment());
  check.Size("persistent", t.persistent(), 0, kMaxTaps);
  const bool context = t.kind() == ModelConfig::Titans::MAC;
  ModelConfig::Attention& attention = *t.mutable_attention();
  ModelConfig::Memory& memory = *t.mutable_memory();
  check.Require(!context || attention.window() == 0, "attention.window", attention.window(),
                " is for MAG and MAL; of MAC attention is within a segment (segment)");
  if (!check.ok()) return check.status();
  if (!context && !attention.has_window()) attention.set_window(t.segment());
  if (t.kind() != ModelConfig::Titans::MAL && !attention.has_persistent())
    attention.set_persistent(t.persistent());
  if (!context && !memory.has_persistent()) memory.set_persistent(t.persistent());
  if (memory.rule().name().empty()) memory.mutable_rule()->set_name("titans_mlp");
  if (absl::Status s = ResolveAttention(path + ".attention", width, attention); !s.ok()) return s;
  return ResolveMemory(path + ".memory", width, memory);
}

}  // namespace palimpsest
