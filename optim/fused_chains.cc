#include "optim/fused_chains.h"

#include <deque>
#include <vector>

#include "kernels/adamw.h"
#include "kernels/am_adamw.h"
#include "kernels/am_mgd.h"
#include "kernels/lion.h"
#include "kernels/sgd.h"
#include "optim/in_place.h"

namespace palimpsest {
namespace {

using Jobs = absl::Span<const Chain::FusedJob>;

// All that a call replaces, until it returned.
class Replacements {
 public:
  Replacement& Of(Tensor& x) { return all_.emplace_back(x); }

 private:
  std::deque<Replacement> all_;
};

double Value(const Chain::FusedJob& job, const char* hyper) {
  return job.step.hypers.at(hyper).Item();
}

Scalar LearningRate(const Chain::FusedJob& job) { return ScalarOf(job.step.hypers.at("lr")); }

ParamUpdate UpdateOf(const Chain::FusedJob& job, Replacements& replaced) {
  Replacement& param = replaced.Of(job.param);
  return {.dtype = job.gradient.dtype(),
          .size = job.gradient.size(),
          .param = param.from(),
          .grad = job.gradient.raw(),
          .param_out = param.to(),
          .low_out = job.low == nullptr ? nullptr : replaced.Of(*job.low).to(),
          .steps = ScalarOf(job.step.steps),
          .grad_scale = job.step.grad_scale.data<double>()};
}

Device DeviceOf(Jobs jobs) { return jobs[0].param.device(); }

// f64 [jobs, columns], for kernels to fill.
Tensor Columns(Jobs jobs, int64_t columns) {
  return Tensor::Empty({static_cast<int64_t>(jobs.size()), columns}, DType::kF64, DeviceOf(jobs));
}

void UpdateSgd(Jobs jobs) {
  Replacements replaced;
  std::vector<SgdArgs> all;
  for (const Chain::FusedJob& job : jobs) {
    SgdArgs& args = all.emplace_back(SgdArgs{.update = UpdateOf(job, replaced),
                                             .lr = LearningRate(job),
                                             .keep = Value(job, "momentum"),
                                             .write = 1.0 - Value(job, "dampening"),
                                             .weight_decay = Value(job, "weight_decay"),
                                             .lookahead = Value(job, "nesterov") != 0.0});
    const auto m = job.state.find("m");
    if (m == job.state.end()) continue;
    Replacement& memory = replaced.Of(m->second);
    args.m = memory.from(), args.m_out = memory.to();
  }
  sgd(DeviceOf(jobs), all);
}

void UpdateAdamW(Jobs jobs) {
  Replacements replaced;
  std::vector<AdamWArgs> all;
  for (const Chain::FusedJob& job : jobs) {
    Replacement &m = replaced.Of(job.state.at("m")), &v = replaced.Of(job.state.at("v"));
    all.push_back({.update = UpdateOf(job, replaced),
                   .m = m.from(),
                   .v = v.from(),
                   .m_out = m.to(),
                   .v_out = v.to(),
                   .lr = LearningRate(job),
                   .beta1 = Value(job, "beta1"),
                   .beta2 = Value(job, "beta2"),
                   .eps = Value(job, "eps"),
                   .weight_decay = Value(job, "weight_decay")});
  }
  adamw(DeviceOf(jobs), all);
}

void UpdateLion(Jobs jobs) {
  Replacements replaced;
  std::vector<LionArgs> all;
  for (const Chain::FusedJob& job : jobs) {
    Replacement& m = replaced.Of(job.state.at("m"));
    all.push_back({.update = UpdateOf(job, replaced),
                   .m = m.from(),
                   .m_out = m.to(),
                   .lr = LearningRate(job),
                   .beta1 = Value(job, "beta1"),
                   .beta2 = Value(job, "beta2"),
                   .weight_decay = Value(job, "weight_decay")});
  }
  lion(DeviceOf(jobs), all);
}

// With sums over each parameter, or over all of these.
void UpdateAmMgdBy(Jobs jobs, bool per_tensor) {
  Replacements replaced;
  std::vector<AmMgdArgs> all;
  for (const Chain::FusedJob& job : jobs) {
    Replacement& d = replaced.Of(job.state.at("m"));
    all.push_back({.update = UpdateOf(job, replaced),
                   .d = d.from(),
                   .d_out = d.to(),
                   .lr = LearningRate(job),
                   .weight_decay = Value(job, "weight_decay"),
                   .lambda = Value(job, "lambda"),
                   .beta_max = Value(job, "momentum")});
  }
  Tensor sums = Columns(jobs, 2), total = Columns(jobs.first(1), 2);
  am_mgd_sums(DeviceOf(jobs), all, sums.mutable_data<double>(), total.mutable_data<double>());
  for (size_t i = 0; i < all.size(); ++i)
    all[i].sums = per_tensor ? sums.data<double>() + 2 * i : total.data<double>();
  am_mgd(DeviceOf(jobs), all);
}

void UpdateAmMgd(Jobs jobs) {
  for (const bool per_tensor : {false, true}) {
    std::vector<Chain::FusedJob> some;
    for (const Chain::FusedJob& job : jobs)
      if ((Value(job, "per_tensor") != 0.0) == per_tensor) some.push_back(job);
    if (!some.empty()) UpdateAmMgdBy(some, per_tensor);
  }
}

void UpdateAmAdamW(Jobs jobs) {
  Replacements replaced;
  std::vector<AmAdamWArgs> all;
  for (const Chain::FusedJob& job : jobs) {
    Replacement &d = replaced.Of(job.state.at("m")), &v = replaced.Of(job.state.at("v"));
    Replacement &product = replaced.Of(job.state.at("m.beta_product")),
                &lr = replaced.Of(job.state.at("m.lr"));
    all.push_back({.update = UpdateOf(job, replaced),
                   .d = d.from(),
                   .v = v.from(),
                   .d_out = d.to(),
                   .v_out = v.to(),
                   .product = product.from(),
                   .lr_before = lr.from(),
                   .product_out = product.to(),
                   .lr_out = lr.to(),
                   .lr = LearningRate(job),
                   .beta_max = Value(job, "beta1"),
                   .beta2 = Value(job, "beta2"),
                   .eps = Value(job, "eps"),
                   .lambda = Value(job, "lambda"),
                   .weight_decay = Value(job, "weight_decay")});
  }
  Tensor sums = Columns(jobs, 4);
  am_adamw_sums(DeviceOf(jobs), all, sums.mutable_data<double>());
  for (size_t i = 0; i < all.size(); ++i)
    all[i].v = all[i].v_out, all[i].sums = sums.data<double>() + 4 * i;
  am_adamw(DeviceOf(jobs), all);
}

}  // namespace

constinit const Chain::Fused kFusedSgd = {[](Device device) { return sgd.Has(device); }, UpdateSgd};
constinit const Chain::Fused kFusedAdamW = {[](Device device) { return adamw.Has(device); },
                                            UpdateAdamW};
constinit const Chain::Fused kFusedLion = {[](Device device) { return lion.Has(device); },
                                           UpdateLion};
constinit const Chain::Fused kFusedAmMgd = {
    [](Device device) { return am_mgd.Has(device) && am_mgd_sums.Has(device); }, UpdateAmMgd};
constinit const Chain::Fused kFusedAmAdamW = {
    [](Device device) { return am_adamw_sums.Has(device) && am_adamw.Has(device); }, UpdateAmAdamW};

}  // namespace palimpsest
