#include "conformance/checks.h"

namespace palimpsest {

const std::vector<Check>& Checks() {
  static const auto* checks = new std::vector<Check>{
      {"chunks", "chunks of 1 to 64 over 1 to 100 tokens, fused and composed, are the steps",
       CheckChunks},
      {"sizes", "keys and values of 1 to 128 channels, no tokens, an empty batch", CheckSizes},
      {"gradient", "gradients in each input, of y and the last state, are finite differences",
       CheckGradients},
      {"backward", "gradients of chunks are those of the steps", CheckChunkGradients},
      {"second", "gradients of gradients are finite differences", CheckSecondGradients},
      {"split", "state carried over any split is one pass; a missing anchor is an error",
       CheckSplits},
      {"packed", "packed sequences, empty ones too, are separate ones", CheckPacked},
      {"batch", "a batch of two is two batches", CheckBatch},
      {"heads", "a key head serves a group of value heads", CheckHeads},
      {"causal", "another token leaves all that was read before it as it was, to the bit",
       CheckCausality},
      {"linear", "work grows as time does, forward and backward", CheckWork},
      {"extremes", "gates at their limits give finite values and gradients, alike in every form",
       CheckExtremes},
      {"poison", "memory full of NaN changes no bit", CheckPoison},
      {"f32", "f32 is near f64", CheckF32},
      {"bf16", "bf16 tokens are near f64", CheckBf16},
  };
  return *checks;
}

}  // namespace palimpsest
