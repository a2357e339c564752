#include "memory_rules/gradient_memory.h"

namespace palimpsest {
GradientOptions::GradientOptions(const RuleParams& params) {
  const auto or_else = [&](const char* name, double otherwise) {
    const auto it = params.find(name);
    return it == params.end() ? otherwise : it->second;
  };
  window = static_cast<int64_t>(or_else("window", 1));
  newton_schulz = static_cast<int>(or_else("newton_schulz", 0));
  momentum = or_else("momentum", 1) != 0.0 || newton_schulz > 0;
  read = static_cast<ReadFrom>(or_else("read", 0));
  objective = static_cast<Objective>(or_else("objective", 0));
  p = or_else("p", p);
  rest_at_first = or_else("rest", 1) == 0.0;
  retention = static_cast<Retention>(or_else("retention", 0));
  q = or_else("q", q);
  threshold = or_else("threshold", threshold);
}

std::vector<ParamSpec> GradientParams() {
  return {Flag("momentum", true, "0: without S, one step of gradient descent a token"),
          Choice("read", {"after", "before", "anchor"},
                 "the state a token reads: after its write, before it, or the chunk's first"),
          Choice("objective", {"l2", "dot", "l1", "lp", "huber"}, "what is descended"),
          {.name = "p", .value = 3, .min = 1, .max = 8, .meaning = "of the objective lp"},
          Choice("retention", {"l2", "lq", "kl", "elastic", "sigmoid"},
                 "what weights are of what is accumulated"),
          {.name = "q", .value = 4, .min = 2, .max = 16, .meaning = "of the retention lq"},
          {.name = "threshold",
           .value = 0.01,
           .min = 0,
           .max = 1e3,
           .meaning = "of the retention elastic"}};
}

std::vector<ParamSpec> WindowParams() {
  return {{.name = "window",
           .value = 1,
           .min = 1,
           .max = 4096,
           .integer = true,
           .meaning = "pairs whose loss a token descends, its own the last"},
          {.name = "newton_schulz",
           .value = 0,
           .min = 0,
           .max = 16,
           .integer = true,
           .meaning = "steps that orthogonalise S before it is written; it needs S"}};
}

}  // namespace palimpsest
