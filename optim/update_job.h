#ifndef OPTIM_UPDATE_JOB_H_
#define OPTIM_UPDATE_JOB_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "optim/chain.h"

namespace palimpsest {

// The update of one parameter, with all that it reads and changes.
struct UpdateJob {
  const Chain* chain;
  std::string path;
  ChainStep step;
  Tensor param;
  Signal signal;
  NamedTensors state;  // By slot.
};

// run(job) for each, in any order. Several at a time, a thread each, where no tape watches, no
// kernel does a whole update by itself and no job is so large that others would wait for it: the
// products of one matrix are too small to be worth sharing.
void RunJobs(std::vector<UpdateJob>& jobs, absl::FunctionRef<void(UpdateJob&)> run);

// The tensors whose names begin with "path.", without it: moved out, or shared.
NamedTensors TakeUnder(const std::string& path, NamedTensors& from);
NamedTensors PeekUnder(const std::string& path, const NamedTensors& from);

}  // namespace palimpsest

#endif  // OPTIM_UPDATE_JOB_H_
