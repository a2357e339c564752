#ifndef PROGRAM_OPTIMIZER_TEXT_H_
#define PROGRAM_OPTIMIZER_TEXT_H_

#include <string>
#include <vector>

#include "optim/optimizers.h"

namespace palimpsest {

// What there is to say of a hyper-parameter, in words.
struct HyperText {
  std::string name, meaning;
  std::string by_default;  // "0.9", "ORIGINAL", "false"
  std::string values;      // "in [0, 1)"; of a choice, those that the optimizer takes.
};
std::vector<HyperText> DescribeHypers(const std::string& optimizer, const OptimizerSpec& spec);

// Those that levels of a chain of any kind have, and those of one kind alone.
std::vector<std::string> LevelKinds();
std::vector<HyperText> DescribeLevel();
std::vector<HyperText> DescribeLevel(const std::string& kind);
// Those of the chain itself.
std::vector<HyperText> DescribeChain();

// How many numbers of state a parameter [m, n] has: "2 m n", "0".
std::string StateSize(const Chain& chain);
// The optimizer with no value set.
Chain DefaultChain(const OptimizerSpec& spec);

// A line of each optimizer there is by name.
std::string OptimizerList();
// The reference part of docs/optimizers.md: a table, a section each, and the levels of a chain.
std::string OptimizersMarkdown();

}  // namespace palimpsest

#endif  // PROGRAM_OPTIMIZER_TEXT_H_
