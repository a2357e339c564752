// TTT-Linear: one layer (Sun et al. 2024, "Learning to (Learn at Test Time)").
#include "memory_rules/ttt_memory.h"

namespace palimpsest {
namespace {

[[maybe_unused]] const bool registered = RegisterMemoryRule(
    "ttt_linear", TttParams(1),
    [](const RuleParams& params) { return std::make_unique<TttMemory>(params, /*layers=*/1); });

}  // namespace
}  // namespace palimpsest
