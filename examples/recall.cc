// Writes 48 random pairs into memories of 64 x 64 numbers, four times over, and asks for them
// again.
#include <cstdio>

#include "core/tape.h"
#include "memory_rules/rule.h"
#include "ops/ops.h"

using namespace palimpsest;

int main() {
  const RandomStream random(/*seed=*/1, "recall");
  const Tensor keys = L2Normalize(RandomNormal({1, 48, 1, 64}, random.Fork("k"), DType::kF32));
  const Tensor values = RandomNormal({1, 48, 1, 64}, random.Fork("v"), DType::kF32);
  for (const char* name : {"hebbian", "delta", "gated_delta"}) {
    const auto rule = MakeMemoryRule({.name = name, .params = {}}).value();
    Tape tape;  // Memories are differentiable: here, in the keys.
    tape.Watch(keys);
    Sequence pairs{.k = Concat({keys, keys, keys, keys}, 1),
                   .v = Concat({values, values, values, values}, 1)};
    pairs.q = pairs.k;
    for (const GateSpec& gate : rule->gates()) {  // Write at full strength, forget nothing.
      const double value = gate.kind == GateKind::kLogDecay ? 0.0 : 1.0;
      pairs.gates[gate.name] = Tensor::Full({1, 4 * 48, 1}, value, DType::kF32);
    }
    const State memory = Scan(*rule, pairs, rule->Init({1, 64, 64}, DType::kF32, random)).state;
    const Tensor recalled = rule->Read(memory, Reshape(keys, {1, 48, 64}));
    const Tensor error = Norm(Sub(recalled, Reshape(values, {1, 48, 64})));
    std::printf("%-12s recalls with a relative error of %.3f; |d error / d keys| = %.2f\n", name,
                error.Item() / Norm(values).Item(), Norm(tape.Gradient(error, {keys})[0]).Item());
  }
}
