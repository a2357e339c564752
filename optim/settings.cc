#include "optim/settings.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "optim/schedule.h"

namespace palimpsest {
namespace {

// Parameters of the model that an optimizer of matrices leaves to the auxiliary one: look-up
// tables, logits, and convolutions channel by channel, which are stored as matrices.
constexpr const char* kNotMatrices[] = {"embedding.*", "positions.*", "head.*", "*conv.weight"};

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError(what); }

bool InRange(HyperSpec::Range range, double x) {
  switch (range) {
    case HyperSpec::Range::kAtLeast0: return x >= 0.0 && std::isfinite(x);
    case HyperSpec::Range::kAbove0: return x > 0.0 && std::isfinite(x);
    case HyperSpec::Range::kAtLeast1: return x >= 1.0 && std::isfinite(x);
    case HyperSpec::Range::kFrom0Below1: return x >= 0.0 && x < 1.0;
    case HyperSpec::Range::kFrom0To1: return x >= 0.0 && x <= 1.0;
    case HyperSpec::Range::kAbove0To100: return x > 0.0 && x <= 100.0;
    case HyperSpec::Range::kFrom1To100: return x >= 1.0 && x <= 100.0;
    case HyperSpec::Range::kAny: return true;
  }
  return false;
}

const char* Words(HyperSpec::Range range) {
  switch (range) {
    case HyperSpec::Range::kAtLeast0: return "finite and at least 0";
    case HyperSpec::Range::kAbove0: return "finite and above 0";
    case HyperSpec::Range::kAtLeast1: return "finite and at least 1";
    case HyperSpec::Range::kFrom0Below1: return "in [0, 1)";
    case HyperSpec::Range::kFrom0To1: return "in [0, 1]";
    case HyperSpec::Range::kAbove0To100: return "in (0, 100]";
    case HyperSpec::Range::kFrom1To100: return "in [1, 100]";
    case HyperSpec::Range::kAny: return "anything";
  }
  return "";
}

// Adds the numbers, choices and switches that `message` sets, named `prefix` and the field.
void AddNumbers(const google::protobuf::Message& message, const std::string& prefix,
                HyperValues* values) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const Field*> fields;
  reflection.ListFields(message, &fields);
  for (const Field* field : fields) {
    if (field->is_repeated()) continue;
    double value = 0.0;
    switch (field->cpp_type()) {
      case Field::CPPTYPE_DOUBLE: value = reflection.GetDouble(message, field); break;
      case Field::CPPTYPE_INT64:
        value = static_cast<double>(reflection.GetInt64(message, field));
        break;
      case Field::CPPTYPE_BOOL: value = reflection.GetBool(message, field); break;
      case Field::CPPTYPE_ENUM: value = reflection.GetEnumValue(message, field); break;
      default: continue;  // Names and messages.
    }
    (*values)[prefix + field->name()] = value;
  }
}

// The hyper-parameters that `config` sets, as numbers; those of its levels are "level.0.keep".
HyperValues SetHypers(OptimizerConfig config) {
  config.clear_clip_norm();
  config.clear_non_finite();
  config.clear_average_keep();
  HyperValues values;
  AddNumbers(config, "", &values);
  for (int i = 0; i < config.level_size(); ++i) {
    const std::string prefix = absl::StrCat("level.", i, ".");
    AddNumbers(config.level(i), prefix, &values);
    for (const auto& [gate, value] : config.level(i).gates())
      values[absl::StrCat(prefix, "gates.", gate)] = value;
  }
  return values;
}

// Checks `config`, whose values stand at `where`, and fills in the optimizer's defaults.
absl::StatusOr<Settings> Resolve(const OptimizerConfig& config, const std::string& where) {
  const absl::StatusOr<std::vector<HyperSpec>> specs = HypersOf(config, where);
  if (!specs.ok()) return specs.status();
  Settings settings{
      .optimizer = config.name(), .config = config, .hypers = {}, .schedule = config.schedule()};
  HyperValues given = SetHypers(config);
  for (const HyperSpec& hyper : *specs) {
    const auto it = given.find(hyper.name);
    const double value = it == given.end() ? hyper.value : it->second;
    if (!InRange(hyper.range, value)) {
      return Invalid(
          absl::StrCat(where, ".", hyper.name, " is ", value, "; it must be ", Words(hyper.range)));
    }
    settings.hypers[hyper.name] = value;
    given.erase(hyper.name);
  }
  if (!given.empty()) {
    const auto name = [](std::string* out, const HyperSpec& hyper) { out->append(hyper.name); };
    return Invalid(absl::StrCat(where, ".", given.begin()->first, " is set, but ", config.name(),
                                " has no such value; it has ", absl::StrJoin(*specs, ", ", name)));
  }
  if (absl::StatusOr<Chain> chain = MakeChain(config, settings.hypers, where); !chain.ok())
    return chain.status();
  if (absl::Status s = CheckSchedule(settings.schedule, where + ".schedule"); !s.ok()) return s;
  return settings;
}

// Values laid over others, and where they come from.
struct Layer {
  OptimizerConfig config;
  std::string where;
};

bool HasParts(const OptimizerConfig& c) {
  return c.has_clip_norm() || c.has_auxiliary() || c.group_size() > 0 || c.has_non_finite() ||
         c.has_average_keep();
}

// Which values train which parameter.
class Resolver {
 public:
  static absl::StatusOr<Resolver> Make(const OptimizerConfig& config) {
    Resolver r;
    r.groups_.assign(config.group().begin(), config.group().end());
    r.main_ = {config, "optimizer"};
    r.main_.config.clear_auxiliary();
    r.main_.config.clear_group();
    r.main_.config.clear_clip_norm();
    r.main_.config.clear_non_finite();
    r.main_.config.clear_average_keep();
    const absl::StatusOr<Settings> main = Resolve(r.main_.config, r.main_.where);
    if (!main.ok()) return main.status();
    r.matrices_only_ = MatricesOnly(config);
    if (config.has_auxiliary() && !r.matrices_only_) {
      return Invalid(absl::StrCat("optimizer.auxiliary is set, but ", config.name(),
                                  " trains all parameters itself"));
    }
    r.auxiliary_ = {DefaultAuxiliary(config), "optimizer.auxiliary"};
    r.auxiliary_.config.MergeFrom(config.auxiliary());
    if (HasParts(config.auxiliary()))
      return Invalid(
          "optimizer.auxiliary has a clip_norm, non_finite, average_keep, auxiliary or group; they "
          "belong to the optimizer");
    const absl::StatusOr<Settings> auxiliary = Resolve(r.auxiliary_.config, r.auxiliary_.where);
    if (!auxiliary.ok()) return auxiliary.status();
    for (size_t i = 0; i < r.groups_.size(); ++i) {
      if (absl::Status s = r.CheckGroup(i); !s.ok()) return s;
    }
    return r;
  }

  absl::StatusOr<Settings> SettingsOf(const std::string& path, const Tensor& param) {
    const size_t i = GroupOf(path);
    const bool grouped = i < groups_.size();
    if (grouped) used_[i] = true;
    Layer layer = matrices_only_ && !IsMatrix(path, param) ? auxiliary_ : main_;
    const bool own_decay = grouped && groups_[i].set().has_weight_decay();
    if (param.rank() <= 1 && !own_decay) layer.config.set_weight_decay(0.0);
    if (grouped && groups_[i].has_set()) layer = Overlay(layer, i);
    absl::StatusOr<Settings> settings = Resolve(layer.config, layer.where);
    if (!settings.ok()) return settings;
    if (param.rank() < 2 && MatricesOnly(settings->config) && !(grouped && groups_[i].frozen())) {
      return Invalid(absl::StrCat(layer.where, ".name is '", settings->optimizer,
                                  "', which trains matrices; parameter ", path, " is ",
                                  Describe(param)));
    }
    if (grouped)
      settings->lr_factor = groups_[i].lr_factor(), settings->frozen = groups_[i].frozen();
    return settings;
  }

  // Every group has a parameter.
  absl::Status CheckUse(const NamedTensors& params) const {
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (used_.contains(i)) continue;
      const std::string& pattern = groups_[i].match();
      const bool matches = std::any_of(params.begin(), params.end(), [&](const auto& p) {
        return GlobMatches(pattern, p.first);
      });
      return Invalid(
          absl::StrCat(Where(i), ".match '", pattern, "' ",
                       matches ? "matches only parameters of the groups before it"
                               : absl::StrCat("matches no parameter; the first is ",
                                              params.empty() ? "(none)" : params.begin()->first)));
    }
    return absl::OkStatus();
  }

 private:
  static std::string Where(size_t group) { return absl::StrCat("optimizer.group.", group); }

  static OptimizerConfig DefaultAuxiliary(const OptimizerConfig& config) {
    OptimizerConfig c;
    c.set_name(config.auxiliary().name());
    if (c.name() == "adamw")
      c.set_lr(3e-4), c.set_beta2(0.95), c.set_eps(1e-10), c.set_weight_decay(0.0);
    if (config.has_schedule()) *c.mutable_schedule() = config.schedule();
    return c;
  }

  absl::Status CheckGroup(size_t i) const {
    const OptimizerConfig::Group& group = groups_[i];
    if (group.match().empty())
      return Invalid(Where(i) +
                     ".match is empty; it is a pattern of parameter paths, as \"*.bias\"");
    if (!(group.lr_factor() >= 0.0 && std::isfinite(group.lr_factor()))) {
      return Invalid(
          absl::StrCat(Where(i), ".lr_factor is ", group.lr_factor(), "; it must be at least 0"));
    }
    if (HasParts(group.set()))
      return Invalid(Where(i) +
                     ".set has a clip_norm, non_finite, average_keep, auxiliary or group; they "
                     "belong to the optimizer");
    return absl::OkStatus();
  }

  size_t GroupOf(const std::string& path) const {
    const auto it = std::find_if(groups_.begin(), groups_.end(),
                                 [&](const auto& g) { return GlobMatches(g.match(), path); });
    return static_cast<size_t>(it - groups_.begin());
  }

  static bool IsMatrix(const std::string& path, const Tensor& param) {
    return param.rank() == 2 &&
           std::none_of(std::begin(kNotMatrices), std::end(kNotMatrices),
                        [&](const char* pattern) { return GlobMatches(pattern, path); });
  }

  // What group `i` sets, over `base` or, of another optimizer, over that one's values.
  Layer Overlay(const Layer& base, size_t i) const {
    const OptimizerConfig& set = groups_[i].set();
    Layer layer{base.config, Where(i) + ".set"};
    if (set.has_name() && set.name() != base.config.name()) {
      layer.config = OptimizerConfig();
      if (set.name() == main_.config.name()) layer.config = main_.config;
      if (set.name() == auxiliary_.config.name() && matrices_only_)
        layer.config = auxiliary_.config;
      if (base.config.has_schedule()) *layer.config.mutable_schedule() = base.config.schedule();
    }
    if (set.has_schedule()) layer.config.clear_schedule();
    if (set.level_size() > 0) layer.config.clear_level();
    layer.config.MergeFrom(set);
    return layer;
  }

  Layer main_, auxiliary_;
  bool matrices_only_ = false;
  std::vector<OptimizerConfig::Group> groups_;
  std::map<size_t, bool> used_;
};

}  // namespace

bool GlobMatches(const std::string& pattern, const std::string& text) {
  size_t p = 0, t = 0, star = std::string::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++, resume = t;
    } else if (star != std::string::npos) {
      p = star + 1, t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string::npos;
}

absl::StatusOr<Settings> MainSettings(const OptimizerConfig& config) {
  return Resolve(config, "optimizer");
}

absl::StatusOr<std::map<std::string, Settings>> ResolveSettings(const OptimizerConfig& config,
                                                                const NamedTensors& params) {
  absl::StatusOr<Resolver> resolver = Resolver::Make(config);
  if (!resolver.ok()) return resolver.status();
  if (!(config.clip_norm() >= 0.0)) {
    return Invalid(absl::StrCat("optimizer.clip_norm is ", config.clip_norm(),
                                "; it must be at least 0 (0: no clipping)"));
  }
  if (!(config.average_keep() >= 0.0 && config.average_keep() < 1.0)) {
    return Invalid(absl::StrCat("optimizer.average_keep is ", config.average_keep(),
                                "; it must be in [0, 1) (0: no average)"));
  }
  std::map<std::string, Settings> all;
  for (const auto& [path, param] : params) {
    absl::StatusOr<Settings> settings = resolver->SettingsOf(path, param);
    if (!settings.ok()) return settings.status();
    all.emplace(path, *std::move(settings));
  }
  if (absl::Status s = resolver->CheckUse(params); !s.ok()) return s;
  return all;
}

}  // namespace palimpsest
