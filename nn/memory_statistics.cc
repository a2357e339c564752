#include "nn/memory_statistics.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/tape.h"
#include "nn/statistics.h"
#include "ops/elementwise.h"

namespace palimpsest {

void PutMemoryStatistics(const StatisticSink& statistics, const std::vector<GateSpec>& specs,
                         const Gates& gates, const State& state) {
  for (const GateSpec& spec : specs) {
    if (spec.kind == GateKind::kKey) continue;  // No number, but another key.
    const Tensor& gate = gates.at(spec.name);
    const bool log = spec.kind == GateKind::kLogDecay;
    const Tensor value = log ? RunUnrecorded([&] { return Tensors{Exp(gate)}; })[0] : gate;
    absl::string_view name = spec.name;
    if (log) absl::ConsumePrefix(&name, "log_");
    PutSummary(statistics, absl::StrCat("gates.", name), Summarize(value));
  }
  for (size_t i = 0; i < state.size(); ++i) {
    if (state[i].rank() != 3) continue;
    const Spectrum spectrum = SpectrumOf(state[i]);
    statistics(absl::StrCat("memory.", i, ".largest_singular_value"), spectrum.largest);
    statistics(absl::StrCat("memory.", i, ".stable_rank"), spectrum.stable_rank);
  }
}

}  // namespace palimpsest
