#ifndef TRAIN_MODEL_COST_H_
#define TRAIN_MODEL_COST_H_

#include <cstdint>
#include <string>

#include "nn/model.h"

namespace palimpsest {

// What models of different kinds are held against one another by.
struct ModelCost {
  int64_t parameters = 0;
  int64_t non_embedding_parameters =
      0;                    // Without the tables of tokens and positions, and the head.
  int64_t state_bytes = 0;  // Of one sequence, after its last token.
  // Of the forward pass of one sequence, in the composed forms (see FlopCount). The backward pass
  // takes about twice as many again. Of sequences past 1024 tokens, extrapolated from 512 and 1024.
  double flops_per_token = 0;
};

// Whether a parameter is of a table of tokens or positions or of the head, by its path.
bool IsEmbedding(const std::string& path);

// Without flops_per_token; the model need have no values (LanguageModel::CreateUninitialized).
ModelCost SizesOf(LanguageModel& model, int64_t length);

// Runs the model on tokens of no meaning.
ModelCost CostOf(LanguageModel& model, int64_t length);

}  // namespace palimpsest

#endif  // TRAIN_MODEL_COST_H_
