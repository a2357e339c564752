#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "program/rule_args.h"
#include "program/rule_bench.h"
#include "program/rule_text.h"
#include "report/markdown.h"
#include "train/progress.h"

namespace palimpsest {
namespace {

constexpr int64_t kDim = 64;  // Of keys and values, where cost is stated.

constexpr char kIntroduction[] = R"(# Memory rules

Generated from the rules' own declarations: `palimpsest rules --markdown > docs/rules.md`.

A memory learns the map from keys to values online. For each token t of a sequence it is given a
key k_t, a value v_t and gates, writes the pair by its rule, and is read with a query q_t. In the
equations

| symbol | is |
|--------|----|
| `M`, `S` | the memory, a matrix [value, key] read as `y_t = M_t q_t`, and its momentum |
| `W`, `f` | the weights of a memory that is a network, read as `y_t = f(q_t; W_t)`, and that network |
| `A` | what the weights are made of, where they are a function of it |
| `D`, `W_0` | what was written since the start, and the weights there, which are learnt |
| `grad_W` | the gradient in the weights `W`, at the state at the start of the chunk |
| `F` | the memory at the start of the chunk of tokens: where an error is measured there, chunk length is part of the model |
| `x_t` | what a layer of the network is applied to |
| `keep_t`, `mu_t` | `exp(log_keep_t)`, `exp(log_mu_t)`; so is `eta_t` where the gate is `log_eta` |
| `sum_window` | the sum over the last `window` pairs |
| `NS` | Newton-Schulz steps, which bring a matrix near an orthogonal one |
| `LN`, `row_norm` | LayerNorm; rows brought back to the norms they had |
| `diag`, `*` | a diagonal matrix; a product element by element |

Rules that descend a loss may take any `objective` of a reading y and a value v: `l2`, |y - v|^2 / 2;
`dot`, -(y . v); `l1`, the sum of |y - v|; `lp`, that of |y - v|^p / p; `huber`, l2 up to a distance and
linear from there on. Weights are a function of what is accumulated in A by the `retention`: `l2`, A
itself; `lq`, A / |A|_q^(q-2); `kl`, the softmax of its rows; `elastic`, A with what is below a
threshold cut off; `sigmoid`, 1 / (1 + e^-A).

A gate is a number, or a vector with one for each channel of the key or the value. A layer makes it of
every token, by default as a projection brought into the gate's range; in a fresh layer it starts near
the value given. Parameters are part of a model's config, and `NAME=VALUE` for `palimpsest check`,
`bench` and `scan`.

The table says what one head costs with keys and values of 64 channels: the numbers it carries from
token to token, and the floating-point operations of a token, forward and with backward. They are
counted while the chunkwise form runs as ops: two for each term of a matrix product, one for each
element of what is elementwise. Fused kernels do less.
)";

struct Cost {
  int64_t chunk = 0, numbers = 0;
  TokenFlops flops;
};

Cost CostOf(const RuleDescription& entry) {
  Cost cost{UsualChunk(*entry.rule), 0, {}};
  for (const Tensor& s : entry.rule->Init({1, kDim, kDim}, DType::kF32, RandomStream(0, "rules")))
    cost.numbers += s.size();
  cost.flops = CountFlops({entry.name}, kDim, kDim, cost.chunk);
  return cost;
}

std::string Summary(const std::vector<RuleDescription>& rules) {
  std::vector<std::vector<std::string>> rows;
  for (const RuleDescription& entry : rules) {
    const Cost cost = CostOf(entry);
    rows.push_back({MarkdownAnchor(entry.name), MarkdownCell(entry.rule->source()),
                    absl::StrCat(cost.numbers), FormatCount(cost.flops.forward),
                    FormatCount(cost.flops.both),
                    absl::StrCat(cost.chunk, entry.rule->anchored() ? ", part of the model" : "")});
  }
  return MarkdownTable({"rule", "published as", "state", "FLOPs", "with backward", "in chunks of"},
                       rows);
}

std::string Behaviour(const MemoryRule& rule) {
  static const char* const reads[] = {"A token reads the memory it leaves",
                                      "A token reads the memory it finds",
                                      "A token reads the memory at the start of its chunk"};
  const std::string chunk = rule.anchored() ? "Chunk length is part of the model."
                                            : "Any chunk length gives the same result.";
  const std::string pairs = rule.pairs() == 1 ? ""
                                              : absl::StrCat(" A token brings ", rule.pairs(),
                                                             " pairs, written in order.");
  return absl::StrCat(reads[static_cast<int>(rule.read_from())], ". ", chunk, pairs);
}

std::string Section(const RuleDescription& entry) {
  const MemoryRule& rule = *entry.rule;
  std::vector<std::string> state;
  const std::vector<std::string> names = rule.state_names(), shapes = StateShapes(rule);
  for (size_t i = 0; i < names.size(); ++i)
    state.push_back(MarkdownCode(names[i] + " " + shapes[i]));
  std::vector<std::vector<std::string>> gates, params;
  for (const GateSpec& gate : rule.gates()) {
    const std::string made = gate.constant ? ", learnt, the same for every token" : "";
    const std::string log = gate.kind == GateKind::kLogDecay ? "log " : "";
    gates.push_back({MarkdownCode(gate.name), MarkdownCell(gate.meaning), Values(gate.kind),
                     OnePer(gate.scope) + made, absl::StrCat(log, gate.init)});
  }
  for (const ParamSpec& param : entry.params)
    params.push_back(
        {MarkdownCode(param.name), MarkdownCell(param.meaning), DefaultOf(param), RangeOf(param)});
  return absl::StrCat("\n## ", entry.name, "\n\n```\n", absl::StrJoin(EquationLines(rule), "\n"),
                      "\n```\n\n", rule.source(), ". ", Behaviour(rule),
                      "\n\nState: ", absl::StrJoin(state, ", "), ".\n",
                      MarkdownTable({"gate", "is", "values", "one per", "starts near"}, gates),
                      MarkdownTable({"parameter", "is", "default", "values"}, params));
}

}  // namespace

std::string RulesMarkdown(const std::vector<RuleDescription>& rules) {
  std::string text = kIntroduction + Summary(rules);
  for (const RuleDescription& entry : rules) text += Section(entry);
  return text;
}

}  // namespace palimpsest
