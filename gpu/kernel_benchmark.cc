// The kernels a training step is made of, on a GPU: median milliseconds, the arithmetic's rate and
// the rate of bytes that must be moved (inputs read once, outputs written once), beside what a
// product of 8192^3 and a copy reach in the same run. With --json=FILE also a line a figure.
//   kernel_benchmark [--device=cpu|cuda] [--repeats=N] [--scale=N] [--json=FILE] [kernel ...]
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gpu/kernel_problem.h"

namespace palimpsest {
namespace {

struct Kernels {
  const char* name;
  Problems (*problems)(const Maker&);
};
constexpr Kernels kKernels[] = {{"gemm", GemmProblems},
                                {"attention", AttentionProblems},
                                {"elementwise", ElementwiseProblems},
                                {"norm", NormProblems},
                                {"softmax", SoftmaxProblems},
                                {"cross_entropy", CrossEntropyProblems},
                                {"conv1d", ConvProblems},
                                {"adamw", AdamWProblems},
                                {"copy", CopyProblems}};

std::string Objection(const std::string& name) {
  std::vector<std::string> known;
  for (const Kernels& kernels : kKernels) {
    if (name == kernels.name) return "";
    known.push_back(kernels.name);
  }
  return absl::StrCat("there is no kernel ", name, "; there are ", absl::StrJoin(known, ", "));
}

void Run(const MeasureOptions& options) {
  const Ceilings ceilings = MeasureCeilings(options);
  PrintCeilings(ceilings, options);
  std::printf("%-14s %-34s %10s %9s %6s %8s %6s\n", "kernel", "what", "ms", "TFLOP/s", "of", "GB/s",
              "of");
  std::ofstream json(options.json);
  const Maker make{options};
  for (const auto& [name, problems] : kKernels) {
    const auto& wanted = options.names;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    for (const std::function<Problem()>& made : problems(make)) {
      const Problem p = made();
      const double seconds = MedianSeconds(options, p.run);
      const double flops = p.flops / seconds, bytes = p.bytes / seconds;
      std::printf("%-14s %-34s %10.3f %9.1f %5.0f%% %8.0f %5.0f%%\n", name, p.variant.c_str(),
                  seconds * 1e3, flops * 1e-12, 100.0 * flops / ceilings.flops, bytes * 1e-9,
                  100.0 * bytes / ceilings.bytes);
      std::fflush(stdout);
      json << absl::StreamFormat(
          "{\"kernel\": \"%s\", \"what\": \"%s\", \"ms\": %.6f, \"tflops\": %.6f, \"gbs\": %.3f}\n",
          name, p.variant, seconds * 1e3, flops * 1e-12, bytes * 1e-9);
    }
  }
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  palimpsest::Run(palimpsest::ParseMeasureOptions(argc, argv, palimpsest::Objection));
  return 0;
}
