// TTT-MLP: two layers with gelu between them (Sun et al. 2024, "Learning to (Learn at Test Time)").
#include "memory_rules/ttt_memory.h"

namespace palimpsest {
namespace {

[[maybe_unused]] const bool registered = RegisterMemoryRule(
    "ttt_mlp", TttParams(2),
    [](const RuleParams& params) { return std::make_unique<TttMemory>(params, /*layers=*/2); });

}  // namespace
}  // namespace palimpsest
