// Rules on a GPU in bf16 at flash-linear-attention's shapes: median milliseconds of forward, and of
// forward and backward; the arithmetic's rate and the rate of bytes that must be moved, beside what
// a product of 8192^3 and a copy reach in the same run. With --json=FILE also a line a figure.
//   rule_benchmark [--device=cpu|cuda] [--repeats=N] [--scale=N] [--json=FILE] [rule ...]
// --scale=N takes an N-th of the tokens, to try it out on a slow device.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/random.h"
#include "core/tape.h"
#include "gpu/measure.h"
#include "memory_rules/rule.h"

namespace palimpsest {
namespace {

struct Size {
  int64_t batch, time, heads, dim;
};
constexpr Size kSizes[] = {{1, 8192, 96, 128},
                           {2, 16384, 16, 128},
                           {4, 2048, 16, 128},
                           {4, 4096, 64, 128},
                           {8, 1024, 8, 64}};

struct Problem {
  std::unique_ptr<MemoryRule> rule;
  Sequence seq;
  State state;

  Problem(const std::string& name, const Size& n, Device device) : rule(*MakeMemoryRule({name})) {
    const RandomStream stream(0, "benchmark");
    const int64_t pairs = n.time * rule->pairs();
    const double unit = 1.0 / std::sqrt(static_cast<double>(n.dim));
    const auto rows = [&](int64_t time, uint64_t fork, double scale) {
      const Shape shape = {n.batch, time, n.heads, n.dim};
      return CopyTo(RandomNormal(shape, stream.Fork(fork), DType::kBf16, scale), device);
    };
    seq.q = rows(n.time, 1, unit), seq.k = rows(pairs, 2, unit), seq.v = rows(pairs, 3, 1.0);
    for (const GateSpec& gate : rule->gates()) {
      Shape shape = {n.batch, gate.per_token ? n.time : pairs, n.heads};
      if (gate.scope != GateScope::kHead) shape.push_back(n.dim);
      const double value = gate.kind == GateKind::kLogDecay ? std::log(gate.init) : gate.init;
      seq.gates[gate.name] = Tensor::Full(shape, value, DType::kF32, device);
    }
    for (const Tensor& s :
         rule->Init({n.batch * n.heads, n.dim, n.dim}, DType::kF32, stream.Fork(4)))
      state.push_back(CopyTo(s, device));
  }

  Tensors Inputs() const {
    Tensors inputs = {seq.q, seq.k, seq.v};
    for (const auto& [name, gate] : seq.gates) inputs.push_back(gate);
    return inputs;
  }
  void Forward() const { Scan(*rule, seq, state); }
  void ForwardBackward() const {
    Tape tape;
    tape.Watch(Inputs());
    tape.Gradient(Scan(*rule, seq, state).y, Inputs());
  }
};

// Multiply-adds of the recurrence in tiles of 16 tokens, counted as //memory_rules:scan_benchmark
// does.
double Flops(const std::string& rule, const Size& n, bool backward) {
  const double rows = static_cast<double>(n.batch * n.time * n.heads * n.dim);
  const double states = rule == "momentum_delta" ? 2 : 1;
  const bool erases = rule != "hebbian";
  const double all =
      2.0 * rows *
      ((erases ? 9.0 : 6.0) * states * static_cast<double>(n.dim) + (erases ? 12.0 : 6.0) * 8.0);
  return backward ? all : all / 3.0;
}

// Inputs read and outputs written once; backward reads both again with dy, and writes gradients.
double Bytes(const Problem& p, bool backward) {
  double inputs = 0.0;
  for (const Tensor& x : p.Inputs()) inputs += static_cast<double>(x.bytes());
  const auto y = static_cast<double>(p.seq.v.bytes());
  return inputs + y + (backward ? 2.0 * inputs + 2.0 * y : 0.0);
}

void Run(const MeasureOptions& options) {
  const Ceilings ceilings = MeasureCeilings(options);
  PrintCeilings(ceilings, options);
  std::vector<std::string> rules = options.names;
  if (rules.empty()) rules = {"hebbian", "delta", "gated_delta", "kda", "momentum_delta"};
  std::printf("%-16s %-20s %-8s %10s %9s %6s %8s %6s\n", "rule", "B T H D", "pass", "ms", "TFLOP/s",
              "of", "GB/s", "of");
  std::ofstream json(options.json);
  for (const std::string& rule : rules) {
    for (Size n : kSizes) {
      n.time /= options.scale;
      const Problem p(rule, n, options.device);
      for (const bool backward : {false, true}) {
        const double seconds =
            MedianSeconds(options, [&] { backward ? p.ForwardBackward() : p.Forward(); });
        const double flops = Flops(rule, n, backward) / seconds,
                     bytes = Bytes(p, backward) / seconds;
        const char* const pass = backward ? "fwd+bwd" : "fwd";
        std::printf("%-16s %-20s %-8s %10.3f %9.1f %5.0f%% %8.0f %5.0f%%\n", rule.c_str(),
                    absl::StrFormat("%d %d %d %d", n.batch, n.time, n.heads, n.dim).c_str(), pass,
                    seconds * 1e3, flops * 1e-12, 100.0 * flops / ceilings.flops, bytes * 1e-9,
                    100.0 * bytes / ceilings.bytes);
        std::fflush(stdout);
        json << absl::StreamFormat(
            "{\"rule\": \"%s\", \"pass\": \"%s\", \"B\": %d, \"T\": %d, \"H\": %d, \"D\": %d, "
            "\"ms\": %.6f}\n",
            rule, pass, n.batch, n.time, n.heads, n.dim, seconds * 1e3);
      }
    }
  }
}

std::string Objection(const std::string& rule) {
  return std::string(MakeMemoryRule({rule}).status().message());
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  palimpsest::Run(palimpsest::ParseMeasureOptions(argc, argv, palimpsest::Objection));
  return 0;
}
