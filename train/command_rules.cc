#include <cstdio>

#include "absl/strings/str_replace.h"
#include "memory_rules/rule.h"
#include "train/commands.h"

namespace palimpsest {
namespace {

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

class Rules : public Command {
 public:
  std::string name() const override { return "rules"; }
  std::string summary() const override {
    return "list the memory rules, their equations and gates";
  }
  std::string usage() const override { return "rules"; }
  std::string examples() const override { return "  palimpsest rules\n"; }
  void AddFlags(Flags*) override {}

  absl::StatusOr<int> Run(const std::vector<std::string>& rest) override {
    if (!rest.empty()) return absl::InvalidArgumentError("rules takes no arguments");
    for (const std::string& name : MemoryRuleNames()) {
      if (absl::Status s = PrintRule(name); !s.ok()) return s;
    }
    return 0;
  }

 private:
  static absl::Status PrintRule(const std::string& name) {
    const absl::StatusOr<std::unique_ptr<MemoryRule>> rule =
        MakeMemoryRule({.name = name, .params = {}});
    if (!rule.ok()) return rule.status();
    const absl::StatusOr<std::vector<ParamSpec>> params = MemoryRuleParams(name);
    if (!params.ok()) return params.status();
    // Of several equations, each has a line.
    const std::string equations = absl::StrReplaceAll((*rule)->equation(), {{",  ", "\n  "}});
    std::printf("%s\n  %s\n", name.c_str(), equations.c_str());
    for (const GateSpec& gate : (*rule)->gates())
      std::printf("  gate  %-10s %s, one per %s, starts near %g\n", gate.name.c_str(),
                  Meaning(gate.kind), Scope(gate.scope), gate.init);
    for (const ParamSpec& param : *params)
      std::printf("  param %-10s %s; default %g, from %g to %g\n", param.name.c_str(),
                  param.meaning.c_str(), param.value, param.min, param.max);
    return absl::OkStatus();
  }
};

}  // namespace

Command& RulesCommand() {
  static Rules command;
  return command;
}

}  // namespace palimpsest
