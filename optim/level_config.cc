#include "optim/level_config.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "optim/levels.h"

namespace palimpsest {
namespace {

using Config = OptimizerConfig;
using Range = HyperSpec::Range;

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError(what); }

absl::StatusOr<std::shared_ptr<const MemoryRule>> RuleOf(const Config::Level& level,
                                                         const std::string& prefix) {
  RuleConfig config{level.rule(), {}, {}};
  config.params.insert(level.params().begin(), level.params().end());
  config.options.insert(level.options().begin(), level.options().end());
  absl::StatusOr<std::unique_ptr<MemoryRule>> rule = MakeMemoryRule(config);
  if (!rule.ok())
    return absl::Status(rule.status().code(),
                        absl::StrCat(prefix, "rule: ", std::string(rule.status().message())));
  return std::shared_ptr<const MemoryRule>(*std::move(rule));
}

std::string GateName(const std::string& gate) { return "gates." + gate; }
bool IsLog(const GateSpec& gate) { return gate.kind == GateKind::kLogDecay; }

Range RangeOf(const GateSpec& gate) {
  switch (gate.kind) {
    case GateKind::kLogDecay: return Range::kFrom0To1;
    case GateKind::kStrength01: return Range::kFrom0To1;
    default: return Range::kAtLeast0;
  }
}

// What a kind of level has beyond what all have.
absl::StatusOr<std::vector<HyperSpec>> OwnHypers(const Config::Level& level,
                                                 const std::string& prefix) {
  const std::string& kind = level.kind();
  const HyperSpec keep = {"keep", 0.9, Range::kFrom0To1},
                  corrected = {"corrected", 0.0, Range::kAny};
  if (kind == "none") return std::vector<HyperSpec>();
  if (kind == "ema") {
    return std::vector<HyperSpec>{
        keep, {"eta", 1.0 - (level.has_keep() ? level.keep() : 0.9), Range::kAtLeast0}, corrected};
  }
  if (kind == "delta_momentum") {
    return std::vector<HyperSpec>{{"keep", 0.99, Range::kFrom0Below1},
                                  {"eta", 0.4, Range::kAtLeast0},
                                  corrected,
                                  {"contraction", Config::AUTO, Range::kAny}};
  }
  if (kind == "hope_delta") {
    const double eta = level.has_eta() ? level.eta() : 0.1;
    return std::vector<HyperSpec>{keep,
                                  {"eta", 0.1, Range::kAtLeast0},
                                  {"decay_scale", eta, Range::kAbove0},
                                  {"reading", Config::MATRIX, Range::kAny},
                                  {"preconditioner", Config::IDENTITY, Range::kAny}};
  }
  if (kind == "deep") {
    return std::vector<HyperSpec>{{"keep", 1.0, Range::kFrom0To1},
                                  {"eta", 0.5, Range::kAtLeast0},
                                  {"target", Config::UNIT, Range::kAny},
                                  {"expansion", 2.0, Range::kAbove0To100},
                                  {"pairs", Config::ROWS, Range::kAny}};
  }
  if (kind != "memory") {
    return Invalid(
        absl::StrCat(prefix, "kind is '", kind,
                     "'; there are none, ema, delta_momentum, hope_delta, deep, memory"));
  }
  const auto rule = RuleOf(level, prefix);
  if (!rule.ok()) return rule.status();
  std::vector<HyperSpec> specs = {{"target", Config::SELF, Range::kAny},
                                  {"pairs", Config::WHOLE, Range::kAny},
                                  {"contraction", Config::AUTO, Range::kAny}};
  for (const GateSpec& gate : (*rule)->gates())
    specs.push_back({GateName(gate.name), gate.init, RangeOf(gate)});
  return specs;
}

std::function<Tensor(const Tensor&)> OutputOf(const HyperValues& values,
                                              const std::string& prefix) {
  switch (ChoiceOf<Config::Output>(values, prefix + "output")) {
    case Config::NEWTON_SCHULZ: return Orthogonalizer(values, prefix);
    case Config::SIGN: return [](const Tensor& x) { return Sign(x); };
    case Config::ROW_UNIT:
      return [](const Tensor& x) { return ApplyFeatures(Config::UNIT_LENGTH, x); };
    default: return nullptr;
  }
}

// Gates that are one number for all channels; a vector of them would need its length.
absl::Status CheckGates(const MemoryRule& rule, const std::string& prefix) {
  for (const GateSpec& gate : rule.gates()) {
    if (gate.scope == GateScope::kHead && gate.kind != GateKind::kKey) continue;
    return Invalid(absl::StrCat(prefix, "rule: its gate ", gate.name,
                                " is a vector for every pair; a level gives one number"));
  }
  if (rule.pairs() == 1) return absl::OkStatus();
  return Invalid(absl::StrCat(prefix, "rule: it writes ", rule.pairs(),
                              " pairs one after another; a level writes all of its pairs at once"));
}

// Whatever rule there is, with the values its gates have.
absl::StatusOr<std::unique_ptr<Level>> MakeMemory(const Config::Level& config,
                                                  const std::string& prefix, LevelOptions options,
                                                  const HyperValues& values) {
  const auto rule = RuleOf(config, prefix);
  if (!rule.ok()) return rule.status();
  if (absl::Status s = CheckGates(**rule, prefix); !s.ok()) return s;
  std::vector<GateHyper> gates;
  for (const GateSpec& gate : (*rule)->gates())
    gates.push_back({gate.name, prefix + GateName(gate.name), IsLog(gate)});
  const auto target = ChoiceOf<Config::Target>(values, prefix + "target");
  if (target == Config::BASIS && ChoiceOf<Config::Pairs>(values, prefix + "pairs") != Config::ROWS)
    return Invalid(
        absl::StrCat(prefix, "target BASIS, a unit vector for each row, is for pairs ROWS"));
  using Pairs = GradientKeyedOptions::Pairs;
  GradientKeyedOptions keyed{.memory = *rule, .gates = gates, .target = target, .mean = true};
  switch (ChoiceOf<Config::Pairs>(values, prefix + "pairs")) {
    case Config::ACTIVATIONS:
      if (!StepsBySums(**rule)) {
        return Invalid(absl::StrCat(
            prefix, "rule: ", config.rule(),
            " needs more of a batch than sums over its tokens, which is all that is kept of them"));
      }
      return ActivationKeyedLevel(std::move(options), {.memory = *rule,
                                                       .gates = std::move(gates),
                                                       .contraction = ChoiceOf<Config::Contraction>(
                                                           values, prefix + "contraction")});
    case Config::ROWS: keyed.pairs = Pairs::kRows; break;
    case Config::ENTRIES: keyed.pairs = Pairs::kEntries; break;
    default: keyed.pairs = Pairs::kWhole; keyed.unit_key = true;
  }
  return GradientKeyedLevel(std::move(options), std::move(keyed));
}

// HOPE eq. 48-49: m' = m (keep - decay_scale g^T g) + eta P g. Keys are the rows of g, the value of
// row r is column r of P.
std::unique_ptr<Level> MakeHopeDelta(const std::string& prefix, LevelOptions options,
                                     const HyperValues& values) {
  const std::string keep = prefix + "keep", eta = prefix + "eta", scale = prefix + "decay_scale";
  const auto reading = ChoiceOf<Config::Reading>(values, prefix + "reading");
  if (reading == Config::SCALAR) {
    const auto clamped = [keep, scale](const Signal& s, const LevelStep& now) {
      const Tensor square = Cast(Sum(Mul(s.gradient, s.gradient)), DType::kF64);
      const auto there = [&](const std::string& hyper) {
        return ScalarOn(square.device(), now.hypers.at(hyper));
      };
      return Clamp(Sub(there(keep), Mul(there(scale), square)), 1e-6, 1.0 - 1e-6);
    };
    return EmaLevel(std::move(options), {.keep = clamped, .strength = Hyper(eta)});
  }
  using Pairs = GradientKeyedOptions::Pairs;
  return GradientKeyedLevel(
      std::move(options),
      {.memory = BuiltInRule("dgd", {{"dot", 1}}),
       .gates = {{"log_keep", keep, /*log=*/true}, {"eta", scale}},
       .pairs = reading == Config::VECTOR ? Pairs::kWhole : Pairs::kRows,
       .target = Config::BASIS,
       .preconditioner = ChoiceOf<Config::Preconditioner>(values, prefix + "preconditioner"),
       .value_scale = [eta, scale](const LevelStep& now) {
         return Div(now.hypers.at(eta), now.hypers.at(scale));
       }});
}

std::unique_ptr<Level> MakeDeep(const std::string& prefix, LevelOptions options,
                                const HyperValues& values) {
  using Pairs = GradientKeyedOptions::Pairs;
  return GradientKeyedLevel(
      std::move(options),
      {.memory = BuiltInRule("titans_mlp",
                             {{"momentum", 0}, {"expansion", values.at(prefix + "expansion")}},
                             {{"rest", "zero"}}),
       .gates = {{"log_keep", prefix + "keep", /*log=*/true}, {"theta", prefix + "eta"}},
       .pairs = ChoiceOf<Config::Pairs>(values, prefix + "pairs") == Config::ENTRIES
                    ? Pairs::kEntries
                    : Pairs::kRows,
       .target = ChoiceOf<Config::Target>(values, prefix + "target"),
       .mean = true});
}

}  // namespace

absl::StatusOr<std::vector<HyperSpec>> LevelHypers(const Config::Level& level,
                                                   const std::string& prefix) {
  if (level.kind() != "memory" &&
      (level.has_rule() || level.params_size() > 0 || level.options_size() > 0)) {
    return Invalid(absl::StrCat(prefix, "rule, params or options are set, but kind '", level.kind(),
                                "' has a rule of its own; the kind is to be memory"));
  }
  absl::StatusOr<std::vector<HyperSpec>> specs = OwnHypers(level, prefix);
  if (!specs.ok()) return specs;
  const double features = level.kind() == "deep" ? Config::UNIT_LENGTH : Config::LINEAR;
  specs->insert(specs->end(), {{"nesterov", 0.0, Range::kAny},
                               {"features", features, Range::kAny},
                               {"output", Config::AS_READ, Range::kAny},
                               {"newton_schulz_steps", 5.0, Range::kFrom1To100},
                               {"newton_schulz", Config::JORDAN, Range::kAny},
                               {"newton_schulz_bf16", 1.0, Range::kAny},
                               {"period", 1.0, Range::kAtLeast1},
                               {"weight", 1.0, Range::kAny}});
  for (HyperSpec& spec : *specs) spec.name = prefix + spec.name;
  return specs;
}

bool LevelNeedsMatrices(const Config::Level& level) {
  if (level.output() == Config::NEWTON_SCHULZ) return true;
  return level.kind() != "none" && level.kind() != "ema" &&
         !(level.kind() == "memory" && level.pairs() != Config::ACTIVATIONS);
}

absl::StatusOr<std::unique_ptr<Level>> MakeLevel(const Config::Level& level,
                                                 const std::string& prefix, const std::string& slot,
                                                 const HyperValues& values) {
  const auto value = [&](const char* name) { return values.at(prefix + name); };
  LevelOptions options{.slot = slot,
                       .nesterov = IsSet(values, prefix + "nesterov"),
                       .period = static_cast<int64_t>(value("period")),
                       .features = ChoiceOf<Config::Features>(values, prefix + "features"),
                       .output = OutputOf(values, prefix)};
  const std::string& kind = level.kind();
  const bool keyed = kind == "delta_momentum" ||
                     (kind == "memory" &&
                      ChoiceOf<Config::Pairs>(values, prefix + "pairs") == Config::ACTIVATIONS);
  if (keyed && options.period > 1) {
    return Invalid(absl::StrCat(prefix,
                                "period: a level keyed on activations sees those of a step ",
                                "and is written every step"));
  }
  if (keyed && options.nesterov &&
      ChoiceOf<Config::Contraction>(values, prefix + "contraction") == Config::DIRECT) {
    return Invalid(absl::StrCat(prefix, "nesterov reads the memory after one more write, ",
                                "which contraction DIRECT does not allow"));
  }
  if (kind == "none") return NoLevel();
  if (kind == "ema") {
    return EmaLevel(std::move(options), {.keep = Hyper(prefix + "keep"),
                                         .strength = Hyper(prefix + "eta"),
                                         .corrected = IsSet(values, prefix + "corrected")});
  }
  if (kind == "hope_delta") {
    if (ChoiceOf<Config::Reading>(values, prefix + "reading") != Config::MATRIX &&
        ChoiceOf<Config::Preconditioner>(values, prefix + "preconditioner") != Config::IDENTITY)
      return Invalid(absl::StrCat(prefix, "preconditioner ROW_NORM is for reading MATRIX"));
    return MakeHopeDelta(prefix, std::move(options), values);
  }
  if (kind == "deep") {
    if (ChoiceOf<Config::Target>(values, prefix + "target") == Config::BASIS)
      return Invalid(absl::StrCat(prefix, "target BASIS is for matrices as memories"));
    const auto pairs = ChoiceOf<Config::Pairs>(values, prefix + "pairs");
    if (pairs != Config::ROWS && pairs != Config::ENTRIES)
      return Invalid(absl::StrCat(prefix, "pairs of kind deep are ROWS or ENTRIES"));
    return MakeDeep(prefix, std::move(options), values);
  }
  if (kind == "memory") return MakeMemory(level, prefix, std::move(options), values);
  return ActivationKeyedLevel(
      std::move(options),
      {.memory = BuiltInRule("titans_linear", {{"exact", 1}, {"momentum", 0}}),
       .gates = {{"log_keep", prefix + "keep", /*log=*/true}, {"theta", prefix + "eta"}},
       .contraction = ChoiceOf<Config::Contraction>(values, prefix + "contraction"),
       .corrected_by = IsSet(values, prefix + "corrected") ? prefix + "keep" : ""});
}

}  // namespace palimpsest
