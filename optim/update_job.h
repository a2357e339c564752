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
  bool fused = false;  // Its chain's kernels do it, together with others.
};

// Which are fused: all of those with the same kernels, or none.
void ChooseFused(std::vector<UpdateJob>& jobs);

// All of these that are fused.
void RunFused(std::vector<UpdateJob>& jobs);

// run(job) for each, in any order. Several at a time, a thread each, of those that are not fused,
// where no tape watches and no job is so large that others would wait for it: the products of one
// matrix are too small to be worth sharing.
void RunJobs(std::vector<UpdateJob>& jobs, absl::FunctionRef<void(UpdateJob&)> run);

// The tensors whose names begin with "path.", without it: moved out, or shared.
NamedTensors TakeUnder(const std::string& path, NamedTensors& from);
NamedTensors PeekUnder(const std::string& path, const NamedTensors& from);

}  // namespace palimpsest

#endif  // OPTIM_UPDATE_JOB_H_
