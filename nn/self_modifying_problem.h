#ifndef NN_SELF_MODIFYING_PROBLEM_H_
#define NN_SELF_MODIFYING_PROBLEM_H_

#include <string>
#include <vector>

#include "nn/self_modifying_scan.h"

namespace palimpsest {

inline constexpr int64_t kProblemBatch = 3, kProblemKey = 4;

// "structure: LINEAR chunk: 4", resolved, for one head of kProblemKey.
ModelConfig::SelfModifying ParseSelfModifying(const std::string& text);

// A stack at random, where every matrix and every gate says something.
struct SelfModifyingProblem {
  ModelConfig::SelfModifying config;
  BoxStack stack;
  BoxConstants constants;
  BoxInputs inputs;
  State state;

  SelfModifyingProblem(const std::string& text, const std::vector<Box>& boxes, int64_t time,
                       DType dtype = DType::kF64);
  // What a gradient is asked for.
  Tensors Sources() const;
  BoxScan Run(int64_t chunk, ScanMode mode = ScanMode::kChunks) const;
  // A function of all that a scan gives.
  static Tensor Loss(const BoxScan& scan);
};

// The largest difference of two scans' readings, gates, keys, states and anchors.
double MaxDifference(const BoxScan& a, const BoxScan& b);

}  // namespace palimpsest

#endif  // NN_SELF_MODIFYING_PROBLEM_H_
