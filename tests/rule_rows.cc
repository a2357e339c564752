#include "tests/rule_rows.h"

namespace palimpsest {

std::vector<RuleConfig> SuiteRows() {
  std::vector<RuleConfig> rows;
  for (const std::string& name : MemoryRuleNames()) rows.push_back({name, {}});
  const std::vector<RuleConfig> more = {
      {"delta_product", {{"n", 3}}},
      {"dgd", {{"dot", 1}}},
      {"dgd", {{"exact", 1}}},
      {"hebbian", {{"per_channel", 1}}},
      {"momentum_delta", {{"coupled", 0}, {"corrected", 0}, {"p_times_keep", 0}}},
      {"swiglu", {{"momentum", 1}, {"newton_schulz", 5}}},
      {"titans_linear", {{"exact", 1}}},
      {"titans_linear", {{"momentum", 0}}},
      {"titans_mlp", {{"depth", 1}}},
      {"titans_mlp", {{"depth", 3}, {"expansion", 1.5}}},
      {"titans_mlp", {{"momentum", 0}}},
      {"titans_mlp", {{"residual", 1}, {"norm", 1}}, {{"read", "anchor"}}},
      {"titans_mlp", {}, {{"objective", "dot"}, {"read", "before"}}},
      {"titans_mlp", {}, {{"objective", "l1"}, {"retention", "elastic"}}},
      {"titans_mlp", {{"momentum", 0}}, {{"retention", "sigmoid"}, {"read", "before"}}},
      {"hope_mlp", {{"momentum", 1}}, {{"decay", "first"}}},
      {"hope_mlp", {}, {{"decay", "none"}, {"retention", "lq"}}},
      {"hope_mlp", {{"momentum", 1}}, {{"rest", "zero"}}},
      {"titans_mlp", {}, {{"rest", "zero"}}},
      {"atlas", {}, {{"read", "before"}, {"retention", "kl"}}},
      {"atlas", {}, {{"rest", "first"}}},
      {"ttt_linear", {{"average", 0}}},
      {"yaad", {{"window", 3}}},
      {"yaad", {{"window", 3}}, {{"rest", "first"}, {"read", "before"}}},
  };
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

std::string RowName(const RuleConfig& config) {
  std::string name = config.name;
  for (const auto& [param, value] : config.params)
    name += "_" + param + std::to_string(static_cast<int>(value));
  for (const auto& [option, value] : config.options) name += "_" + option + "_" + value;
  return name;
}

void PrintTo(const RuleConfig& config, std::ostream* os) { *os << RowName(config); }

}  // namespace palimpsest
