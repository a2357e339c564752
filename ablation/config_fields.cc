#include "ablation/config_fields.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "train/config.h"

namespace palimpsest {
namespace {

std::string ValueOf(const ConfigFields& config, const std::string& field) {
  const auto it = config.find(field);
  return it == config.end() ? "" : it->second;
}

bool AnyStartsWith(const ConfigFields& config, const std::string& prefix) {
  const auto it = config.lower_bound(prefix);
  return it != config.end() && absl::StartsWith(it->first, prefix);
}

// Of the vocabulary that data have, and of the steps that a run takes.
bool IsFilledIn(const std::string& field) {
  return field == "model.vocab_size" || absl::EndsWith(field, "schedule.total_steps");
}

template <typename Differ>
bool AnyDiffers(const std::vector<ConfigOfRow>& configs, Differ value) {
  std::set<std::string> different;
  for (const ConfigOfRow& config : configs) {
    if (!config.all->empty()) different.insert(value(config));
  }
  return different.size() > 1;
}

}  // namespace

bool IsOfOneRun(const std::string& field) { return field == "seed" || BearsOnNoResult(field); }

ConfigFields EvaluationFields(const ConfigFields& config) {
  const bool segments = AnyStartsWith(config, "data.mqar.eval.");
  const bool lengths = segments || AnyStartsWith(config, "data.eval_length.");
  ConfigFields fields;
  for (const auto& [field, value] : config) {
    const bool of_training = absl::EndsWith(field, ".train_all") ||
                             (segments && field == "data.mqar.pairs") ||
                             (lengths && absl::StartsWith(field, "data.mqar.train.")) ||
                             (lengths && field == "data.min_length");
    const bool of_data = absl::StartsWith(field, "data.") || (field == "length" && !lengths);
    if (of_data && !of_training && !IsOfOneRun(field)) fields[field] = value;
  }
  return fields;
}

VariedFields FindVaried(const std::vector<ConfigOfRow>& configs) {
  std::set<std::string> fields;
  for (const ConfigOfRow& config : configs) {
    for (const auto& [field, value] : *config.all) {
      if (!IsOfOneRun(field)) fields.insert(field);
    }
  }
  VariedFields varied;
  for (const std::string& field : fields) {
    const auto all = [&](const ConfigOfRow& config) { return ValueOf(*config.all, field); };
    const auto given = [&](const ConfigOfRow& config) { return ValueOf(*config.given, field); };
    if (!AnyDiffers(configs, all)) continue;
    std::vector<std::string> values(configs.size());
    std::transform(configs.begin(), configs.end(), values.begin(), all);
    (AnyDiffers(configs, given) && !IsFilledIn(field) ? varied.given : varied.derived)[field] =
        values;
  }
  if (varied.given.empty()) varied.given.swap(varied.derived);
  return varied;
}

}  // namespace palimpsest
