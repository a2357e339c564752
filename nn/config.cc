#include "nn/config.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "memory_rules/rule.h"
#include "nn/config_check.h"
#include "nn/gate.h"

namespace palimpsest {
namespace {

constexpr int64_t kMaxLayers = 10000;

}  // namespace

absl::Status ResolveAttention(const std::string& path, int64_t width, ModelConfig::Attention& a) {
  ConfigCheck check(path);
  ResolveHeads(check, width, a);
  check.Size("kv_heads", a.kv_heads(), 0);
  if (a.kv_heads() == 0) a.set_kv_heads(a.heads());
  if (!check.ok()) return check.status();
  check.Require(a.heads() % a.kv_heads() == 0, "kv_heads", a.kv_heads(), " does not divide heads ",
                a.heads());
  check.Require(!a.rope() || a.key_dim() % 2 == 0, "rope", "needs an even key_dim, not ",
                a.key_dim());
  check.Positive("rope_base", a.rope_base());
  check.Size("window", a.window(), 0);
  check.Size("conv", a.conv(), 0, kMaxTaps);
  check.Size("persistent", a.persistent(), 0, kMaxTaps);
  return check.status();
}

namespace {

bool InRange(GateKind kind, double init) {
  switch (kind) {
    case GateKind::kKey:
    case GateKind::kLogDecay:
    case GateKind::kStrength01: return init > 0.0 && init < 1.0;
    case GateKind::kStrength02: return init > 0.0 && init < 2.0;
    case GateKind::kPositive: return init > 0.0 && std::isfinite(init);
  }
  return false;
}

// With the ends that a learnt gate does not reach.
bool InClosedRange(GateKind kind, double value) {
  const bool log = kind == GateKind::kLogDecay;
  return InRange(kind, value) || (value == 0.0 && !log) ||
         (value == 1.0 && kind != GateKind::kStrength02) ||
         (value == 2.0 && kind == GateKind::kStrength02);
}

absl::Status CheckGate(const std::string& path, const std::string& rule,
                       const std::vector<GateSpec>& specs, const ModelConfig::Gate& gate) {
  ConfigCheck check(path);
  const auto name_of = [](std::string* out, const GateSpec& spec) { out->append(spec.name); };
  for (const GateSpec& rule_spec : specs) {
    if (rule_spec.name != gate.name()) continue;
    const bool strength =
        rule_spec.kind == GateKind::kStrength01 || rule_spec.kind == GateKind::kStrength02;
    check.Require(!gate.has_max() || strength, "max", "is for strengths, which ", gate.name(),
                  " is none of");
    check.Require(!gate.has_max() || gate.max() == 1 || gate.max() == 2, "max", gate.max(),
                  " is neither 1 nor 2");
    if (!check.ok()) return check.status();
    const GateSpec spec = SpecWith(rule_spec, gate);
    const char* range = spec.kind == GateKind::kPositive     ? "positive and finite"
                        : spec.kind == GateKind::kStrength02 ? "between 0 and 2"
                                                             : "between 0 and 1";
    check.Require(!gate.has_init() || InRange(spec.kind, gate.init()), "init", gate.init(),
                  " is not ", range);
    check.Require(!gate.has_value() || InClosedRange(spec.kind, gate.value()), "value",
                  gate.value(), " is neither ", range, " nor at the end of it");
    check.Require(!gate.has_value() || !(gate.has_init() || gate.has_data_dependent()), "value",
                  "is not learnt, and has no init and no data_dependent");
    return check.status();
  }
  check.Require(false, "name", "\"", gate.name(), "\" is not a gate of ", rule,
                "; its gates: ", absl::StrJoin(specs, ", ", name_of));
  return check.status();
}

absl::Status CheckGates(const std::string& path, const MemoryRule& rule,
                        const ModelConfig::Memory& m) {
  std::set<std::string> seen;
  for (int i = 0; i < m.gate_size(); ++i) {
    const std::string gate_path = absl::StrCat(path, ".gate.", i);
    const absl::Status status = CheckGate(gate_path, m.rule().name(), rule.gates(), m.gate(i));
    if (!status.ok()) return status;
    if (!seen.insert(m.gate(i).name()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(gate_path, ".name: \"", m.gate(i).name(), "\" is given twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveMemory(const std::string& path, int64_t width, ModelConfig::Memory& m) {
  ConfigCheck check(path);
  const double key_size = m.expand_k() * static_cast<double>(width);
  check.Require(key_size >= 1 && key_size <= kMaxSize && key_size == std::floor(key_size),
                "expand_k", m.expand_k(), " times width ", width, " is not a whole number of keys");
  if (!check.ok()) return check.status();
  ResolveHeads(check, static_cast<int64_t>(key_size), m);
  check.Size("value_heads", m.value_heads(), 0);
  if (m.value_heads() == 0) m.set_value_heads(m.heads());
  if (!check.ok()) return check.status();
  check.Require(m.value_heads() % m.heads() == 0, "value_heads", m.value_heads(),
                " is not a multiple of heads ", m.heads());
  const double value_dim = m.expand_v() * static_cast<double>(m.key_dim());
  check.Require(value_dim >= 1 && value_dim <= kMaxSize && value_dim == std::floor(value_dim),
                "expand_v", m.expand_v(), " times key_dim ", m.key_dim(),
                " is not a whole number of values");
  check.Product("value_heads x key_dim x expand_v key_dim",
                {m.value_heads(), m.key_dim(), static_cast<int64_t>(value_dim)});
  check.Size("chunk", m.chunk(), 0);
  check.Size("conv", m.conv(), 0, kMaxTaps);
  check.Size("persistent", m.persistent(), 0, kMaxTaps);
  check.Positive("q_scale", m.q_scale());
  check.Require(m.has_rule() && !m.rule().name().empty(), "rule.name",
                "none given; known: ", absl::StrJoin(MemoryRuleNames(), ", "));
  if (!check.ok()) return check.status();

  const auto rule = MakeMemoryRule(RuleConfigOf(m.rule()));
  if (!rule.ok()) {
    const std::vector<std::string> known = MemoryRuleNames();
    const bool named = std::find(known.begin(), known.end(), m.rule().name()) != known.end();
    return absl::InvalidArgumentError(
        absl::StrCat(path, named ? ".rule: " : ".rule.name: ", rule.status().message()));
  }
  if (m.chunk() == 0) m.set_chunk((*rule)->anchored() ? 16 : 64);
  return CheckGates(path, **rule, m);
}

absl::Status ResolveMlp(const std::string& path, int64_t width, ModelConfig::Mlp& mlp) {
  ConfigCheck check(path);
  const bool gated = mlp.kind() == ModelConfig::Mlp::SWIGLU;
  check.Size("hidden", mlp.hidden(), 0);
  check.Require(mlp.expansion() >= 0.0 && mlp.expansion() * static_cast<double>(width) <= kMaxSize,
                "expansion", mlp.expansion(), " is negative or too large");
  if (!check.ok() || mlp.kind() == ModelConfig::Mlp::NONE || mlp.hidden() > 0)
    return check.status();
  const double expansion = mlp.expansion() > 0.0 ? mlp.expansion() : gated ? 8.0 / 3.0 : 4.0;
  mlp.set_hidden(static_cast<int64_t>(std::ceil(expansion * static_cast<double>(width) / 32.0)) *
                 32);
  return check.status();
}

namespace {

absl::Status ResolveMixer(const std::string& path, int64_t width, ModelConfig::Block& block) {
  switch (block.mixer_case()) {
    case ModelConfig::Block::kAttention:
      return ResolveAttention(path + ".attention", width, *block.mutable_attention());
    case ModelConfig::Block::kMemory:
      return ResolveMemory(path + ".memory", width, *block.mutable_memory());
    case ModelConfig::Block::kTitans:
      return ResolveTitans(path + ".titans", width, *block.mutable_titans());
    case ModelConfig::Block::kSelfModifying:
      return ResolveSelfModifying(path + ".self_modifying", width, *block.mutable_self_modifying());
    case ModelConfig::Block::MIXER_NOT_SET: break;
  }
  return absl::OkStatus();
}

absl::Status ResolveChannelMixer(const std::string& path, int64_t width,
                                 ModelConfig::Block& block) {
  switch (block.channel_mixer_case()) {
    case ModelConfig::Block::kCms: return ResolveCms(path + ".cms", width, *block.mutable_cms());
    case ModelConfig::Block::kMlp:
    case ModelConfig::Block::CHANNEL_MIXER_NOT_SET: break;
  }
  return ResolveMlp(path + ".mlp", width, *block.mutable_mlp());
}

// Where a part leaves its heads to the model.
template <typename Part>
void TakeKeyDim(const ModelConfig& model, Part* part) {
  if (part->heads() == 0 && part->key_dim() == 0) part->set_key_dim(model.key_dim());
}

void TakeKeyDims(const ModelConfig& model, ModelConfig::Block* block) {
  if (block->has_attention()) TakeKeyDim(model, block->mutable_attention());
  if (block->has_memory()) TakeKeyDim(model, block->mutable_memory());
  if (block->has_self_modifying()) TakeKeyDim(model, block->mutable_self_modifying());
  if (!block->has_titans()) return;
  TakeKeyDim(model, block->mutable_titans()->mutable_attention());
  TakeKeyDim(model, block->mutable_titans()->mutable_memory());
}

absl::Status ResolveBlock(const std::string& path, int64_t width, ModelConfig::Block& block) {
  if (absl::Status s = ResolveMixer(path, width, block); !s.ok()) return s;
  return ResolveChannelMixer(path, width, block);
}

}  // namespace

RuleConfig RuleConfigOf(const ModelConfig::Rule& rule) {
  return {rule.name(),
          {rule.params().begin(), rule.params().end()},
          {rule.options().begin(), rule.options().end()}};
}

absl::StatusOr<ModelConfig> ResolveModelConfig(const ModelConfig& config) {
  ModelConfig resolved = config;
  ConfigCheck check("model");
  check.Size("vocab_size", config.vocab_size());
  check.Size("width", config.width());
  check.Require(config.block_size() > 0, "block",
                "none given; a model has at least one, such as block { attention {} }");
  check.Size("layers", config.layers(), 0, kMaxLayers);
  check.Require(config.layers() == 0 || config.layers() >= config.block_size(), "layers",
                config.layers(), " leaves some of the ", config.block_size(), " blocks unused");
  check.Size("learned_positions", config.learned_positions(), 0);
  check.Size("mup_base_width", config.mup_base_width(), 0);
  check.Size("key_dim", config.key_dim(), 0);
  check.Require(!config.zero_init_head() || !config.tie_embeddings(), "zero_init_head",
                "the head is the embedding (tie_embeddings), which cannot start at zero");
  check.Positive("norm_eps", config.norm_eps());
  check.Positive("init_std", config.init_std());
  check.Rate("dropout", config.dropout());
  check.Rate("embedding_dropout", config.embedding_dropout());
  if (!check.ok()) return check.status();
  if (config.layers() == 0) resolved.set_layers(config.block_size());
  if (absl::Status s = ResolveResiduals(resolved); !s.ok()) return s;
  for (int i = 0; i < resolved.block_size(); ++i) {
    TakeKeyDims(config, resolved.mutable_block(i));
    const absl::Status status =
        ResolveBlock(absl::StrCat("model.block.", i), config.width(), *resolved.mutable_block(i));
    if (!status.ok()) return status;
  }
  return resolved;
}

}  // namespace palimpsest
