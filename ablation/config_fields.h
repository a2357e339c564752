#ifndef ABLATION_CONFIG_FIELDS_H_
#define ABLATION_CONFIG_FIELDS_H_

#include <map>
#include <string>
#include <vector>

namespace palimpsest {

using ConfigFields = std::map<std::string, std::string>;  // As of FlattenProto.

// A field that may differ between the runs of a row: the seed, and what BearsOnNoResult.
bool IsOfOneRun(const std::string& field);

// Those of `config` that say which validation data its run is scored on. Runs in which they differ
// have metrics that do not compare.
ConfigFields EvaluationFields(const ConfigFields& config);

// Fields in which configs differ, with the value in each; "" where one has none.
struct VariedFields {
  std::map<std::string, std::vector<std::string>> given;
  // What follows from those: defaults of parts that only some of the models have, and what a run
  // fills in, such as the vocabulary.
  std::map<std::string, std::vector<std::string>> derived;
};
struct ConfigOfRow {
  const ConfigFields* all;    // Empty: not known, and left out of account.
  const ConfigFields* given;  // Without defaults.
};
VariedFields FindVaried(const std::vector<ConfigOfRow>& configs);

}  // namespace palimpsest

#endif  // ABLATION_CONFIG_FIELDS_H_
