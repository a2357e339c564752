#ifndef TRAIN_GENERATE_H_
#define TRAIN_GENERATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/tensor.h"
#include "nn/model.h"

namespace palimpsest {

struct GenerateOptions {
  int64_t tokens = 500;
  double temperature = 0.8;  // 0: always the likeliest.
  int64_t top_k = 0;         // Among the k likeliest; 0: all.
  uint64_t seed = 0;
};

// The token at a uniform `u` of [0, 1) of softmax(logits / temperature); of equal logits the first
// is likelier.
int32_t Sample(const std::vector<double>& logits, double temperature, int64_t top_k, double u);

// Reads the prompt (not empty) once, then emits byte after byte, until `emit` returns false; the
// model's state is carried along, so a byte costs the same however much came before.
void Generate(const LanguageModel& model, const std::string& prompt, const GenerateOptions& options,
              absl::FunctionRef<bool(char)> emit);

}  // namespace palimpsest

#endif  // TRAIN_GENERATE_H_
