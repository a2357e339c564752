#include "optim/update_job.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/op_scope.h"
#include "core/parallel.h"
#include "optim/in_place.h"

namespace palimpsest {
namespace {

// Values in all jobs from which threads are worth waking.
constexpr int64_t kLeastWork = 1 << 18;
// Of a job: at most so large a part of the whole for each thread.
constexpr int64_t kEvenShares = 2;

bool MayUseKernels(const NamedTensors& tensors) {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const auto& entry) { return palimpsest::MayUseKernels({&entry.second}); });
}

// Or on another device, which has an order of its own. Tapes and scopes are of this thread.
bool IsBound(const UpdateJob& job) {
  const Signal& s = job.signal;
  bool may = job.param.device() == Device::kCpu && MayUseKernels(job.state) &&
             MayUseKernels(job.step.hypers) &&
             palimpsest::MayUseKernels({&job.param, &s.gradient, &job.step.grad_scale});
  if (s.pairs)
    may = may &&
          palimpsest::MayUseKernels({&s.pairs->value_key, &s.pairs->key_key, &s.pairs->read_key});
  for (const Tensor& sum : job.step.sums) may = may && palimpsest::MayUseKernels({&sum});
  return !may;
}

template <typename Jobs>
bool WorthSharing(const Jobs& jobs) {
  int64_t total = 0, largest = 0;
  for (const UpdateJob* job : jobs) {
    total += job->param.size();
    largest = std::max(largest, job->param.size());
  }
  return total >= kLeastWork && largest * kEvenShares * NumThreads() <= total &&
         std::none_of(jobs.begin(), jobs.end(), [](const UpdateJob* j) { return IsBound(*j); });
}

}  // namespace

void ChooseFused(std::vector<UpdateJob>& jobs) {
  std::set<const Chain::Fused*> watched;
  for (const UpdateJob& job : jobs) {
    if (!job.chain->MayFuse(job.param, job.signal, job.state, job.step))
      watched.insert(job.chain->fused);
  }
  for (UpdateJob& job : jobs)
    job.fused = job.chain->fused != nullptr && !watched.contains(job.chain->fused);
}

void RunFused(std::vector<UpdateJob>& jobs) {
  std::map<const Chain::Fused*, std::vector<Chain::FusedJob>> by_kernels;
  for (UpdateJob& job : jobs) {
    if (job.fused)
      by_kernels[job.chain->fused].push_back(
          Chain::JobOf(job.param, job.signal, job.state, job.step));
  }
  for (const auto& [kernels, some] : by_kernels) kernels->update(some);
}

void RunJobs(std::vector<UpdateJob>& jobs, absl::FunctionRef<void(UpdateJob&)> run) {
  std::vector<UpdateJob*> composed;
  for (UpdateJob& job : jobs) {
    if (job.fused)
      run(job);
    else
      composed.push_back(&job);
  }
  if (!WorthSharing(composed)) {
    for (UpdateJob* job : composed) run(*job);
    return;
  }
  std::stable_sort(composed.begin(), composed.end(), [](const UpdateJob* a, const UpdateJob* b) {
    return a->param.size() > b->param.size();
  });
  ParallelFor(static_cast<int64_t>(composed.size()), 1, [&](int64_t begin, int64_t end) {
    const OpScope scope("optimizer");
    for (int64_t i = begin; i < end; ++i) run(*composed[i]);
  });
}

NamedTensors TakeUnder(const std::string& path, NamedTensors& from) {
  const std::string prefix = path + ".";
  NamedTensors taken;
  for (auto it = from.lower_bound(prefix);
       it != from.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it) {
    taken.emplace(it->first.substr(prefix.size()), std::exchange(it->second, Tensor()));
  }
  return taken;
}

NamedTensors PeekUnder(const std::string& path, const NamedTensors& from) {
  const std::string prefix = path + ".";
  NamedTensors seen;
  for (auto it = from.lower_bound(prefix);
       it != from.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it) {
    seen.emplace(it->first.substr(prefix.size()), it->second);
  }
  return seen;
}

}  // namespace palimpsest
