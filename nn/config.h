#ifndef NN_CONFIG_H_
#define NN_CONFIG_H_

#include "absl/status/statusor.h"
#include "memory_rules/rule.h"
#include "nn/model.pb.h"

namespace palimpsest {

// Checks the config and fills in all that depends on other fields (layers, key_dim, value_heads,
// hidden, chunk): what a run should write down. The errors, InvalidArgument, name the field, its
// value and what is allowed: "block[0].memory.heads: 5 does not divide width 128".
absl::StatusOr<ModelConfig> ResolveModelConfig(const ModelConfig& config);

// As the registry takes it.
RuleConfig RuleConfigOf(const ModelConfig::Rule& rule);

}  // namespace palimpsest

#endif  // NN_CONFIG_H_
