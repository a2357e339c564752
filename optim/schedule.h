#ifndef OPTIM_SCHEDULE_H_
#define OPTIM_SCHEDULE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "optim/optimizer.pb.h"

namespace palimpsest {

// InvalidArgument, naming `where` and the field, if a value is out of range.
absl::Status CheckSchedule(const OptimizerConfig::Schedule& schedule, const std::string& where);

// The factor of the learning rate at `step`, which counts from 0.
double ScheduleFactor(const OptimizerConfig::Schedule& schedule, int64_t step);

}  // namespace palimpsest

#endif  // OPTIM_SCHEDULE_H_
