#ifndef ABLATION_SWEEP_TESTING_H_
#define ABLATION_SWEEP_TESTING_H_

#include <string>

#include "ablation/sweep_dir.h"
#include "ablation/sweep_plan.h"

namespace palimpsest {

// A sweep of tiny models, with `more` in its text.
SweepPlan TinyPlan(const std::string& more);

// A shell script in `dir` that stands in for the program. It counts its starts in RUN/starts, and
// what it does then is in its config's "grad_accumulation": 1 it is complete; 3 its loss is not
// finite; 4 it runs out of memory, then is complete; 9 it is killed, then is complete; 5 it fails;
// 75 it waits for SIGTERM and stops, then is complete; 8 it crashes; 6 it says it is complete.
SweepProgram FakeProgram(const std::string& dir);

// A sweep's folder with `plan` and a FakeProgram in it.
std::unique_ptr<SweepDir> FakeSweep(const std::string& dir, const SweepPlan& plan);

}  // namespace palimpsest

#endif  // ABLATION_SWEEP_TESTING_H_
