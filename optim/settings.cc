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
    case HyperSpec::Range::kAtLeast1: return x >= 1.0 && std::isfinite(x);
    case HyperSpec::Range::kFrom0Below1: return x >= 0.0 && x < 1.0;
    case HyperSpec::Range::kFrom0To1: return x >= 0.0 && x <= 1.0;
    case HyperSpec::Range::kAny: return true;
  }
  return false;
}

const char* Words(HyperSpec::Range range) {
  switch (range) {
    case HyperSpec::Range::kAtLeast0: return "finite and at least 0";
    case HyperSpec::Range::kAtLeast1: return "finite and at least 1";
    case HyperSpec::Range::kFrom0Below1: return "in [0, 1)";
    case HyperSpec::Range::kFrom0To1: return "in [0, 1]";
    case HyperSpec::Range::kAny: return "anything";
  }
  return "";
}

// The hyper-parameters that `config` sets, as numbers.
HyperValues SetHypers(const OptimizerConfig& config) {
  const google::protobuf::Reflection& reflection = *config.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(config, &fields);
  HyperValues values;
  for (const auto* field : fields) {
    using Field = google::protobuf::FieldDescriptor;
    if (field->number() == OptimizerConfig::kClipNormFieldNumber) continue;
    switch (field->cpp_type()) {
      case Field::CPPTYPE_DOUBLE:
        values[field->name()] = reflection.GetDouble(config, field);
        break;
      case Field::CPPTYPE_INT64:
        values[field->name()] = static_cast<double>(reflection.GetInt64(config, field));
        break;
      case Field::CPPTYPE_BOOL: values[field->name()] = reflection.GetBool(config, field); break;
      case Field::CPPTYPE_ENUM:
        values[field->name()] = reflection.GetEnumValue(config, field);
        break;
      default: break;  // Names and messages.
    }
  }
  return values;
}

// Checks `config`, whose values stand at `where`, and fills in the optimizer's defaults.
absl::StatusOr<Settings> Resolve(const OptimizerConfig& config, const std::string& where) {
  const auto spec = OptimizerSpecs().find(config.name());
  if (spec == OptimizerSpecs().end()) {
    const auto name = [](std::string* out, const auto& entry) { out->append(entry.first); };
    return Invalid(absl::StrCat(where, ".name is '", config.name(), "'; there are ",
                                absl::StrJoin(OptimizerSpecs(), ", ", name)));
  }
  Settings settings{.optimizer = config.name(), .hypers = {}, .schedule = config.schedule()};
  HyperValues given = SetHypers(config);
  for (const HyperSpec& hyper : spec->second.hypers) {
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
                                " has no such value; it has ",
                                absl::StrJoin(spec->second.hypers, ", ", name)));
  }
  if (spec->second.conflict != nullptr) {
    if (const std::string conflict = spec->second.conflict(settings.hypers); !conflict.empty()) {
      return Invalid(absl::StrCat(where, ": ", conflict));
    }
  }
  if (absl::Status s = CheckSchedule(settings.schedule, where + ".schedule"); !s.ok()) return s;
  return settings;
}

// Values laid over others, and where they come from.
struct Layer {
  OptimizerConfig config;
  std::string where;
};

bool HasParts(const OptimizerConfig& c) {
  return c.has_clip_norm() || c.has_auxiliary() || c.group_size() > 0;
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
    const absl::StatusOr<Settings> main = Resolve(r.main_.config, r.main_.where);
    if (!main.ok()) return main.status();
    r.matrices_only_ = OptimizerSpecs().at(config.name()).matrices_only;
    if (config.has_auxiliary() && !r.matrices_only_) {
      return Invalid(absl::StrCat("optimizer.auxiliary is set, but ", config.name(),
                                  " trains all parameters itself"));
    }
    r.auxiliary_ = {DefaultAuxiliary(config), "optimizer.auxiliary"};
    r.auxiliary_.config.MergeFrom(config.auxiliary());
    if (HasParts(config.auxiliary()))
      return Invalid(
          "optimizer.auxiliary has a clip_norm, auxiliary or group; they belong to the optimizer");
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
    if (param.rank() < 2 && OptimizerSpecs().at(settings->optimizer).matrices_only &&
        !(grouped && groups_[i].frozen())) {
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
                     ".set has a clip_norm, auxiliary or group; they belong to the optimizer");
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
