#ifndef NN_TESTING_H_
#define NN_TESTING_H_

#include <memory>
#include <string>

#include "nn/model.h"

namespace palimpsest {

// `more` may give a field of `text` another value.
ModelConfig ParseModel(const std::string& text, const std::string& more = "");
// A model of width 8, two layers of `block` and 11 tokens; `more` is added to its config.
std::unique_ptr<LanguageModel> SmallModel(const std::string& block, const std::string& more = "",
                                          DType dtype = DType::kF64);
Tensor RandomTokens(int64_t batch, int64_t time, uint64_t seed = 7);
// Moves every parameter a little at random, so that none is zero or one.
void Jitter(LanguageModel& model, double size = 0.3);
double MaxDifference(const Tensor& a, const Tensor& b);

}  // namespace palimpsest

#endif  // NN_TESTING_H_
