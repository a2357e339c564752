#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "memory_rules/rule.h"
#include "nlohmann/json.hpp"
#include "program/commands.h"
#include "program/rule_text.h"

namespace palimpsest {
namespace {

constexpr size_t kColumns = 80, kIndent = 24;

// A name and what there is to say, whose lines start below each other.
void PrintEntry(const char* kind, const std::string& name, const std::string& text) {
  std::string line = absl::StrCat("  ", kind, " ", name, "  ");
  line.resize(std::max(line.size(), kIndent), ' ');
  size_t words = 0;
  for (const std::string& word : std::vector<std::string>(absl::StrSplit(text, ' '))) {
    if (words++ > 0 && line.size() + 1 + word.size() > kColumns) {
      std::printf("%s\n", line.c_str());
      line = std::string(kIndent, ' ') + word;
    } else {
      absl::StrAppend(&line, words > 1 ? " " : "", word);
    }
  }
  std::printf("%s\n", line.c_str());
}

std::string Describe(const GateSpec& gate) {
  return absl::StrCat(gate.meaning, gate.meaning.empty() ? "" : ": ", Values(gate.kind),
                      ", one per ", OnePer(gate.scope), ", starts near ", gate.init,
                      gate.constant ? ", by default a learnt constant" : "");
}

std::string Describe(const ParamSpec& param) {
  return absl::StrCat(param.meaning, "; default ", DefaultOf(param), ", of ", RangeOf(param));
}

void Print(const RuleDescription& entry, bool params) {
  std::printf("%s\n  %s\n", entry.name.c_str(),
              absl::StrJoin(EquationLines(*entry.rule), "\n  ").c_str());
  if (params && !entry.rule->source().empty()) std::printf("  %s\n", entry.rule->source().c_str());
  for (const GateSpec& gate : entry.rule->gates()) PrintEntry("gate  ", gate.name, Describe(gate));
  if (!params) return;
  for (const ParamSpec& param : entry.params) {
    PrintEntry(param.choices.empty() ? "param " : "option", param.name, Describe(param));
  }
}

nlohmann::json Json(const RuleDescription& entry) {
  const MemoryRule& rule = *entry.rule;
  nlohmann::json gates = nlohmann::json::array(), params = nlohmann::json::array();
  for (const GateSpec& gate : rule.gates()) {
    gates.push_back({{"name", gate.name},
                     {"meaning", gate.meaning},
                     {"values", Values(gate.kind)},
                     {"one_per", OnePer(gate.scope)},
                     {"init", gate.init},
                     {"per_token", gate.per_token || rule.pairs() == 1},
                     {"constant", gate.constant}});
  }
  for (const ParamSpec& param : entry.params) {
    nlohmann::json json = {{"name", param.name}, {"meaning", param.meaning}};
    if (param.choices.empty()) {
      json.update({{"default", param.value},
                   {"min", param.min},
                   {"max", param.max},
                   {"integer", param.integer}});
    } else {
      json.update({{"default", param.choices[static_cast<size_t>(param.value)]},
                   {"choices", param.choices}});
    }
    params.push_back(std::move(json));
  }
  nlohmann::json states = nlohmann::json::array();
  const int64_t batch = 1, key = 64, value = 128;
  const State state = rule.Init({batch, key, value}, DType::kF32, RandomStream(0, "rules"));
  for (size_t i = 0; i < state.size(); ++i) {
    states.push_back(
        {{"name", rule.state_names()[i]}, {"shape_for_key_64_value_128", state[i].shape()}});
  }
  static const char* const reads[] = {"after", "before", "anchor"};
  return {{"name", entry.name},
          {"equation", rule.equation()},
          {"source", rule.source()},
          {"gates", std::move(gates)},
          {"params", std::move(params)},
          {"states", std::move(states)},
          {"pairs_per_token", rule.pairs()},
          {"anchored", rule.anchored()},
          {"reads", reads[static_cast<int>(rule.read_from())]},
          {"layout",
           "q [batch, time, heads, key]; k, v [batch, time * pairs, heads, dim]; gates [batch, "
           "time (* pairs), heads(, channels)]; states [batch * heads, ...]; y = M q"}};
}

class Rules : public Command {
 public:
  std::string name() const override { return "rules"; }
  std::string summary() const override {
    return "list the memory rules, their equations and gates";
  }
  std::string usage() const override { return "rules [NAME...] [--json] [--markdown]"; }
  std::string examples() const override {
    return "  palimpsest rules\n"
           "  palimpsest rules titans_mlp        with its source and parameters\n";
  }
  void AddFlags(Flags* flags) override {
    flags->Add("json", "", &json_, "everything, as JSON")
        .Add("markdown", "", &markdown_, "everything and what it costs, as docs/rules.md has it");
  }

  absl::StatusOr<int> Run(const std::vector<std::string>& names) override {
    std::vector<RuleDescription> rules;
    for (const std::string& name : names.empty() ? MemoryRuleNames() : names) {
      absl::StatusOr<RuleDescription> entry = DescribeRule(name);
      if (!entry.ok()) return entry.status();
      rules.push_back(*std::move(entry));
    }
    if (markdown_) {
      std::fputs(RulesMarkdown(rules).c_str(), stdout);
    } else if (json_) {
      nlohmann::json all = nlohmann::json::array();
      for (const RuleDescription& entry : rules) all.push_back(Json(entry));
      std::printf("%s\n", all.dump(2).c_str());
    } else {
      for (const RuleDescription& entry : rules) Print(entry, /*params=*/!names.empty());
    }
    return 0;
  }

 private:
  bool json_ = false, markdown_ = false;
};

}  // namespace

Command& RulesCommand() {
  static Rules command;
  return command;
}

}  // namespace palimpsest
