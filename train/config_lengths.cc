#include "train/config_lengths.h"

#include "absl/strings/str_cat.h"
#include "memory_rules/rule.h"
#include "nn/config.h"
#include "nn/config_check.h"

namespace palimpsest {
namespace {

struct Size {
  std::string field;
  int64_t value;
};

std::vector<Size> Convolutions(const ModelConfig& model) {
  using Residual = ModelConfig::Residual;
  std::vector<Size> sizes;
  const Residual shared = ResidualOf(model);
  if (shared.expand() || shared.compressor() == Residual::TC)
    sizes.push_back({"model.residual.conv", shared.conv()});
  for (int i = 0; i < model.block_size(); ++i) {
    const ModelConfig::Block& block = model.block(i);
    const std::string path = absl::StrCat("model.block.", i);
    if (block.has_attention())
      sizes.push_back({path + ".attention.conv", block.attention().conv()});
    if (block.has_memory()) sizes.push_back({path + ".memory.conv", block.memory().conv()});
    if (block.has_self_modifying())
      sizes.push_back({path + ".self_modifying.conv", block.self_modifying().conv()});
    if (block.has_titans()) {
      sizes.push_back({path + ".titans.attention.conv", block.titans().attention().conv()});
      sizes.push_back({path + ".titans.memory.conv", block.titans().memory().conv()});
    }
    const Residual own = ResidualOf(model, block);
    if (own.compressor() == Residual::TC) sizes.push_back({path + ".residual.conv", own.conv()});
  }
  return sizes;
}

// Where the error is measured at a chunk's start, the chunk is part of the model.
void AddMemory(const std::string& path, const ModelConfig::Memory& memory,
               std::vector<Size>* sizes) {
  const auto rule = MakeMemoryRule(RuleConfigOf(memory.rule()));
  if (rule.ok() && (*rule)->anchored()) sizes->push_back({path + ".chunk", memory.chunk()});
}

// Each ends or resets something after so many tokens.
std::vector<Size> Spans(const ModelConfig& model) {
  std::vector<Size> sizes;
  for (int i = 0; i < model.block_size(); ++i) {
    const ModelConfig::Block& block = model.block(i);
    const std::string path = absl::StrCat("model.block.", i);
    if (block.attention().window() > 0)
      sizes.push_back({path + ".attention.window", block.attention().window()});
    if (block.has_memory()) AddMemory(path + ".memory", block.memory(), &sizes);
    if (block.has_titans()) {
      sizes.push_back({path + ".titans.segment", block.titans().segment()});
      AddMemory(path + ".titans.memory", block.titans().memory(), &sizes);
    }
    if (block.has_self_modifying()) {
      sizes.push_back({path + ".self_modifying.chunk", block.self_modifying().chunk()});
      sizes.push_back({path + ".self_modifying.box_chunk", block.self_modifying().box_chunk()});
    }
  }
  return sizes;
}

}  // namespace

absl::Status CheckConvolutions(const ModelConfig& model, int64_t length) {
  for (const Size& conv : Convolutions(model)) {
    if (conv.value <= length) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        conv.field, ": ", conv.value, " taps reach past the first of length ", length,
        " tokens, where they would never learn; give at most ", length, ", or a longer length"));
  }
  return absl::OkStatus();
}

std::vector<std::string> LengthNotes(const TrainConfig& config, const ModelConfig& model,
                                     int64_t longest) {
  std::vector<std::string> notes;
  const int64_t warmup = config.optimizer().schedule().warmup_steps();
  if (warmup >= config.steps() && config.steps() > 0)
    notes.push_back(absl::StrCat("optimizer.schedule.warmup_steps ", warmup,
                                 " is not over at the end, step ", config.steps()));
  for (const Size& span : Spans(model)) {
    if (span.value < longest) continue;
    notes.push_back(
        absl::StrCat(span.field, " ", span.value, " spans whole sequences (", longest, ")"));
  }
  return notes;
}

}  // namespace palimpsest
