#ifndef NN_MEMORY_STATISTICS_H_
#define NN_MEMORY_STATISTICS_H_

#include <vector>

#include "memory_rules/rule.h"
#include "nn/mixer.h"

namespace palimpsest {

// Tells how memories are written to and what they hold:
//   gates.NAME.mean, .min, .max       of each gate; of log_keep, as "keep", its exponential
//   memory.I.largest_singular_value   of any of the I-th tensor's matrices, for how far it is from
//   memory.I.stable_rank              growing without bound; their mean, for how much of it is used
void PutMemoryStatistics(const StatisticSink& statistics, const std::vector<GateSpec>& specs,
                         const Gates& gates, const State& state);

}  // namespace palimpsest

#endif  // NN_MEMORY_STATISTICS_H_
