#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "memory_rules/rule.h"
#include "nlohmann/json.hpp"
#include "train/commands.h"

namespace palimpsest {
namespace {

constexpr size_t kColumns = 80, kIndent = 24;

const char* Meaning(GateKind kind) {
  switch (kind) {
    case GateKind::kLogDecay: return "log of a factor in (0, 1)";
    case GateKind::kStrength01: return "in (0, 1)";
    case GateKind::kStrength02: return "in (0, 2)";
    case GateKind::kPositive: return "positive";
    case GateKind::kKey: return "another key";
  }
  return "";
}

const char* Scope(GateScope scope) {
  switch (scope) {
    case GateScope::kHead: return "head";
    case GateScope::kKeyChannel: return "key channel";
    case GateScope::kValueChannel: return "value channel";
  }
  return "";
}

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
  return absl::StrCat(Meaning(gate.kind), ", one per ", Scope(gate.scope), ", starts near ",
                      gate.init, gate.constant ? ", by default a learnt constant" : "");
}

std::string Describe(const ParamSpec& param) {
  if (!param.choices.empty()) {
    return absl::StrCat(param.meaning, ": ", absl::StrJoin(param.choices, ", "), "; default ",
                        param.choices[static_cast<size_t>(param.value)]);
  }
  return absl::StrCat(param.meaning, "; default ", param.value, ", from ", param.min, " to ",
                      param.max);
}

// A rule as it is by default, and its parameters.
struct Entry {
  std::unique_ptr<MemoryRule> rule;
  std::vector<ParamSpec> params;
};

absl::StatusOr<Entry> Find(const std::string& name) {
  absl::StatusOr<std::unique_ptr<MemoryRule>> rule = MakeMemoryRule({.name = name});
  if (!rule.ok()) return rule.status();
  absl::StatusOr<std::vector<ParamSpec>> params = MemoryRuleParams(name);
  if (!params.ok()) return params.status();
  return Entry{*std::move(rule), *std::move(params)};
}

void Print(const std::string& name, const Entry& entry, bool params) {
  // Of several equations, each has a line.
  const std::string equations = absl::StrReplaceAll(entry.rule->equation(), {{",  ", "\n  "}});
  std::printf("%s\n  %s\n", name.c_str(), equations.c_str());
  if (params && !entry.rule->source().empty()) std::printf("  %s\n", entry.rule->source().c_str());
  for (const GateSpec& gate : entry.rule->gates()) PrintEntry("gate  ", gate.name, Describe(gate));
  if (!params) return;
  for (const ParamSpec& param : entry.params) {
    PrintEntry(param.choices.empty() ? "param " : "option", param.name, Describe(param));
  }
}

nlohmann::json Json(const std::string& name, const Entry& entry) {
  const MemoryRule& rule = *entry.rule;
  nlohmann::json gates = nlohmann::json::array(), params = nlohmann::json::array();
  for (const GateSpec& gate : rule.gates()) {
    gates.push_back({{"name", gate.name},
                     {"values", Meaning(gate.kind)},
                     {"one_per", Scope(gate.scope)},
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
  return {{"name", name},
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
  std::string usage() const override { return "rules [NAME...] [--json]"; }
  std::string examples() const override {
    return "  palimpsest rules\n"
           "  palimpsest rules titans_mlp        with its source and parameters\n";
  }
  void AddFlags(Flags* flags) override { flags->Add("json", "", &json_, "everything, as JSON"); }

  absl::StatusOr<int> Run(const std::vector<std::string>& names) override {
    nlohmann::json all = nlohmann::json::array();
    for (const std::string& name : names.empty() ? MemoryRuleNames() : names) {
      const absl::StatusOr<Entry> entry = Find(name);
      if (!entry.ok()) return entry.status();
      if (json_) {
        all.push_back(Json(name, *entry));
      } else {
        Print(name, *entry, /*params=*/!names.empty());
      }
    }
    if (json_) std::printf("%s\n", all.dump(2).c_str());
    return 0;
  }

 private:
  bool json_ = false;
};

}  // namespace

Command& RulesCommand() {
  static Rules command;
  return command;
}

}  // namespace palimpsest
