#include "program/rule_text.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace palimpsest {
namespace {

// One extent of a state, for memories of those sizes: primes, so that it can only be one thing.
constexpr int64_t kKey = 101, kValue = 211;

std::string Extent(int64_t n) {
  if (n == kKey) return "key";
  if (n == kValue) return "value";
  return n > 0 && n % kKey == 0 ? absl::StrCat(n / kKey, " key") : absl::StrCat(n);
}

}  // namespace

const char* Values(GateKind kind) {
  switch (kind) {
    case GateKind::kLogDecay: return "log of a factor in (0, 1)";
    case GateKind::kStrength01: return "in (0, 1)";
    case GateKind::kStrength02: return "in (0, 2)";
    case GateKind::kPositive: return "positive";
    case GateKind::kKey: return "another key";
  }
  return "";
}

const char* OnePer(GateScope scope) {
  switch (scope) {
    case GateScope::kHead: return "head";
    case GateScope::kKeyChannel: return "key channel";
    case GateScope::kValueChannel: return "value channel";
  }
  return "";
}

std::vector<std::string> EquationLines(const MemoryRule& rule) {
  return absl::StrSplit(rule.equation(), ",  ");
}

std::vector<std::string> StateShapes(const MemoryRule& rule) {
  std::vector<std::string> shapes;
  for (const Tensor& s : rule.Init({1, kKey, kValue}, DType::kF32, RandomStream(0, "rules"))) {
    std::vector<std::string> extents;
    for (int axis = 1; axis < s.rank(); ++axis) extents.push_back(Extent(s.dim(axis)));
    shapes.push_back(absl::StrCat("[", absl::StrJoin(extents, ", "), "]"));
  }
  return shapes;
}

std::string DefaultOf(const ParamSpec& param) {
  if (param.choices.empty()) return absl::StrCat(param.value);
  return param.choices[static_cast<size_t>(param.value)];
}

std::string RangeOf(const ParamSpec& param) {
  if (!param.choices.empty()) return absl::StrJoin(param.choices, ", ");
  if (param.integer && param.min == 0 && param.max == 1) return "0 or 1";
  return absl::StrCat(param.min, " to ", param.max);
}

absl::StatusOr<RuleDescription> DescribeRule(const std::string& name) {
  absl::StatusOr<std::unique_ptr<MemoryRule>> rule = MakeMemoryRule({.name = name});
  if (!rule.ok()) return rule.status();
  absl::StatusOr<std::vector<ParamSpec>> params = MemoryRuleParams(name);
  if (!params.ok()) return params.status();
  return RuleDescription{name, *std::move(rule), *std::move(params)};
}

}  // namespace palimpsest
