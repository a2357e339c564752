#ifndef NN_MODEL_ROWS_H_
#define NN_MODEL_ROWS_H_

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "nn/model.h"

namespace palimpsest {

// A small model of 11 tokens, by its config. To add one to the table is to have it held to what
// every model promises: nn/every_model_test.cc, train/every_model_test.cc.
struct ModelRow {
  std::string name, config;
};
inline void PrintTo(const ModelRow& row, std::ostream* os) { *os << row.name; }

// Every kind of block there is, and a memory of every registered rule.
std::vector<ModelRow> ModelRows();

// With parameters none of which is zero or one.
std::unique_ptr<LanguageModel> MakeRowModel(const ModelRow& row, DType dtype = DType::kF64,
                                            Device device = Device::kCpu);

}  // namespace palimpsest

#endif  // NN_MODEL_ROWS_H_
