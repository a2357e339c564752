#include "nn/model_rows.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "memory_rules/rule.h"
#include "nn/testing.h"

namespace palimpsest {
namespace {

// Two layers of `block`; `more`: fields of the model.
ModelRow Row(std::string name, const std::string& block, const std::string& more = "") {
  return {std::move(name), absl::StrCat("vocab_size: 11 width: 8 layers: 2 block { ", block,
                                        " mlp { hidden: 12 } } ", more)};
}

// Blocks that read and write the stream in one way or another.
std::vector<ModelRow> ResidualRows() {
  const std::string attention = "attention { heads: 2 }",
                    memory = "memory { rule { name: 'gated_delta' } heads: 2 chunk: 4 }";
  const auto delta = [](const std::string& more) {
    return absl::StrCat("residual { kind: DELTA ", more, " }");
  };
  const std::string mixed = " block { attention { heads: 2 } mlp { hidden: 12 } residual { kind: ";
  return {
      Row("delta_residual", attention, delta("")),
      Row("delta_residual_of_state", attention,
          delta("v_source: STATE v_act: SIGMOID beta_hidden: 3")),
      Row("delta_residual_write_only", attention, delta("channels: 2 write_only: true")),
      Row("delta_residual_tc", "attention { heads: 2 window: 4 conv: 3 }",
          delta("channels: 4 compressor: TC conv: 3")),
      Row("delta_residual_tc_expanded", attention,
          delta("channels: 4 compressor: TC expand: true")),
      Row("delta_residual_cc_expanded", attention, delta("channels: 4 expand: true conv: 1")),
      Row("delta_residual_cc_conv", attention, delta("channels: 3 compressor: CC_CONV")),
      Row("delta_residual_one_channel", attention, delta("compressor: TC expand: true")),
      {"delta_residual_hope",
       "vocab_size: 11 width: 8 layers: 2 block { self_modifying { heads: 2 chunk: 4 } cms { level "
       "{ "
       "period: 3 mlp { hidden: 12 } } level { mlp { hidden: 12 } } } } " +
           delta("channels: 2")},
      Row("delta_and_add", attention, delta("") + mixed + "ADD } }"),
      Row("add_and_delta_channels", memory,
          "residual { channels: 2 }" + mixed + "DELTA compressor: TC } }"),
  };
}

// A Continuum Memory System for an MLP.
std::vector<ModelRow> CmsRows() {
  const auto row = [](std::string name, const std::string& cms) {
    return ModelRow{std::move(name),
                    absl::StrCat("vocab_size: 11 width: 8 layers: 2 block { attention { heads: 2 "
                                 "window: 5 } cms { ",
                                 cms, " } }")};
  };
  return {
      row("cms",
          "level { period: 2 mlp { hidden: 12 } } level { period: 3 mlp { kind: GELU hidden: 12 } "
          "} level { mlp { hidden: 12 } }"),
      row("cms_nested",
          "order: NESTED reduce: MEAN project_keys: true level { period: 2 mlp { hidden: 12 } } "
          "level { period: 4 rate_data_dependent: true mlp { hidden: 12 } }"),
      row("cms_independent",
          "order: INDEPENDENT objective: DOT level { period: 3 rate_per_channel: true mlp { "
          "hidden: 12 } } level { period: 4 mlp { kind: RELU hidden: 12 } }"),
  };
}

}  // namespace

std::vector<ModelRow> ModelRows() {
  std::vector<ModelRow> rows = {
      Row("attention", "attention { heads: 2 }"),
      Row("attention_window", "attention { heads: 2 window: 4 conv: 3 }"),
      Row("attention_grouped", "attention { heads: 4 kv_heads: 2 qk_norm: true rope: false }"),
      Row("attention_learned_positions", "attention { heads: 2 rope: false }",
          "learned_positions: 32 tie_embeddings: true norm: LAYER"),
      Row("attention_persistent", "attention { heads: 2 window: 4 conv: 3 persistent: 2 }"),
      Row("memory_persistent",
          "memory { rule { name: 'titans_mlp' } heads: 2 chunk: 4 persistent: 3 }"),
      Row("titans_mac",
          "titans { segment: 5 attention { heads: 2 conv: 3 } memory { heads: 2 chunk: 4 } }"),
      Row("titans_mac_linear",
          "titans { segment: 3 persistent: 0 gate: SILU attention { heads: 2 kv_heads: 1 }"
          " memory { rule { name: 'gated_delta' } heads: 1 conv: 0 } }"),
      Row("titans_mag",
          "titans { kind: MAG segment: 4 persistent: 2 attention { heads: 2 }"
          " memory { heads: 2 chunk: 4 } }"),
      Row("titans_mal",
          "titans { kind: MAL segment: 4 persistent: 2 attention { heads: 2 conv: 3 }"
          " memory { heads: 2 chunk: 4 } }"),
      Row("fixed_gates",
          "memory { rule { name: 'titans_mlp' } heads: 2 chunk: 4"
          " gate { name: 'log_keep' value: 1 } gate { name: 'theta' value: 0.5 } }"),
      Row("mlp_only", ""),
      Row("self_modifying", "self_modifying { heads: 2 chunk: 4 }"),
      Row("self_modifying_linear",
          "self_modifying { heads: 2 chunk: 4 box_chunk: 2 structure: LINEAR momentum: GRADIENT"
          " q: ADAPTIVE conv: 3 }"),
      Row("self_modifying_exact",
          "self_modifying { heads: 1 key_dim: 4 chunk: 2 box_chunk: 4 structure: LINEAR"
          " error: EXACT momentum: NONE read: AFTER_WRITE v: STATIC conv: 0 output_gate: SIGMOID "
          "}"),
      Row("self_modifying_static",
          "self_modifying { heads: 2 chunk: 3 k: STATIC v: STATIC eta: STATIC keep: STATIC"
          " stop_gradient_target: false }"),
      Row("hybrid", "memory { rule { name: 'gated_delta' } heads: 2 chunk: 4 }",
          "block { attention { heads: 2 window: 5 } mlp { kind: GELU hidden: 12 } }"),
  };
  for (ModelRow& row : ResidualRows()) rows.push_back(std::move(row));
  for (ModelRow& row : CmsRows()) rows.push_back(std::move(row));
  for (const std::string& rule : MemoryRuleNames()) {
    rows.push_back(
        Row(rule, absl::StrCat("memory { rule { name: '", rule, "' } heads: 2 chunk: 4 }")));
    rows.push_back(Row(rule + "_grouped",
                       absl::StrCat("memory { rule { name: '", rule,
                                    "' } heads: 1 key_dim: 4 value_heads: 2 expand_v: 1.5 conv: 0"
                                    " chunk: 3 learn_initial_state: true output_gate: SIGMOID }")));
  }
  return rows;
}

std::unique_ptr<LanguageModel> MakeRowModel(const ModelRow& row, DType dtype, Device device) {
  auto model =
      LanguageModel::Create(ParseModel(row.config), RandomStream(1, "init"), dtype, device);
  PALIMPSEST_CHECK(model.ok()) << row.name << ": " << model.status().ToString();
  Jitter(**model);
  return *std::move(model);
}

}  // namespace palimpsest
