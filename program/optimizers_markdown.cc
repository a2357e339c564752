#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "program/optimizer_text.h"
#include "report/markdown.h"

namespace palimpsest {
namespace {

constexpr char kIntroduction[] = R"(## Every optimizer

From here on the page is what `palimpsest optim --markdown` prints, and `//tests:docs_test` holds it to
that. State is what a parameter [m, n] has beside itself with the defaults, in numbers: f64 of an f64
parameter, else f32; a bf16 parameter has an f32 copy of itself more. One pass: what a kernel does at once
over a parameter and its state, where no tape watches.
)";

std::string Table(const std::vector<HyperText>& hypers) {
  std::vector<std::vector<std::string>> rows;
  for (const HyperText& h : hypers)
    rows.push_back({MarkdownCode(h.name), h.meaning, h.by_default, h.values});
  return MarkdownTable({"value", "is", "default", "values"}, rows);
}

std::string OnePass(const Chain& chain) {
  if (chain.fused != nullptr) return "the update";
  if (!chain.second_moment || chain.second_moment->keep.empty()) return "";
  const bool scales_in_step =
      !chain.second_moment->by_row && chain.second_moment->rescale == SecondMoment::Rescale::kNone;
  return scales_in_step ? "second moment and step" : "";
}

std::string Summary() {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, spec] : OptimizerSpecs()) {
    const Chain chain = DefaultChain(spec);
    rows.push_back({MarkdownAnchor(name), MarkdownCell(spec.source),
                    spec.matrices_only ? "matrices" : "everything", StateSize(chain),
                    OnePass(chain)});
  }
  return MarkdownTable({"optimizer", "published as", "trains", "state", "one pass"}, rows);
}

std::string Section(const std::string& name, const OptimizerSpec& spec) {
  const std::vector<std::string> lines = absl::StrSplit(spec.equation, ",  ");
  return absl::StrCat("\n### ", name, "\n\n```\n", absl::StrJoin(lines, "\n"), "\n```\n\n",
                      spec.source, ".\n", Table(DescribeHypers(name, spec)));
}

const std::map<std::string, std::string>& LevelEquations() {
  static const auto* const kEquations = new std::map<std::string, std::string>{
      {"none", "u = g"},
      {"ema", "M <- keep M + eta g\nu = M, corrected: M / (1 - keep^writes)"},
      {"delta_momentum", "M <- keep M + eta (Ghat - M Sigma)\nu = M"},
      {"hope_delta",
       "MATRIX  M <- M (keep - decay_scale g^T g) + eta P g\n"
       "SCALAR  M <- clamp(keep - decay_scale |g|^2, 1e-6, 1 - 1e-6) M + eta g\n"
       "VECTOR  M <- keep M - decay_scale <M, g> g + eta g"},
      {"deep", "W <- keep W - eta mean_r grad_W |f(k_r; W) - target_r|^2 / 2\nu_r = f(k_r; W)"},
      {"memory", "M <- the write of `rule`, with the gates' values\nu = what it reads"}};
  return *kEquations;
}

std::string LevelSection(const std::string& kind) {
  return absl::StrCat("\n#### Level ", kind, "\n\n```\n", LevelEquations().at(kind), "\n```\n",
                      Table(DescribeLevel(kind)));
}

}  // namespace

std::string OptimizersMarkdown() {
  std::string text = kIntroduction + Summary();
  for (const auto& [name, spec] : OptimizerSpecs()) text += Section(name, spec);
  absl::StrAppend(&text, "\n### chain\n\nThe levels listed, then scaling and step.\n",
                  Table(DescribeChain()), "\nLevels of every kind have\n", Table(DescribeLevel()));
  for (const std::string& kind : LevelKinds()) text += LevelSection(kind);
  return text;
}

}  // namespace palimpsest
