#include "nn/self_modifying_problem.h"

#include <algorithm>
#include <map>
#include <utility>

#include "nn/config_check.h"
#include "nn/testing.h"
#include "ops/ops.h"

namespace palimpsest {
namespace {

using Config = ModelConfig::SelfModifying;

constexpr int64_t kBatch = kProblemBatch, kKey = kProblemKey;

}  // namespace

ModelConfig::SelfModifying ParseSelfModifying(const std::string& text) {
  Config config = ParseModel("block { self_modifying { heads: 1 key_dim: 4 " + text + " } }")
                      .block(0)
                      .self_modifying();
  const absl::Status status = ResolveSelfModifying("block", 4, config);
  PALIMPSEST_CHECK(status.ok()) << status.ToString();
  return config;
}

SelfModifyingProblem::SelfModifyingProblem(const std::string& text, const std::vector<Box>& boxes,
                                           int64_t time, DType dtype)
    : config(ParseSelfModifying(text)), stack(config, boxes) {
  const RandomStream draws(4, "problem");
  uint64_t fork = 0;
  const auto random = [&](Shape shape, double scale) {
    return RandomNormal(std::move(shape), draws.Fork(++fork), dtype, scale);
  };
  const auto unit = [&] { return L2Normalize(random({kBatch, time, kKey}, 1.0)); };
  if (boxes.size() > 1) inputs.x = random({kBatch, time, kKey}, 0.7);
  if (stack.Has(Box::kValue)) inputs.x_v = random({kBatch, time, kKey}, 0.7);
  BoxSignals& s = inputs.signals;
  if (!stack.Has(Box::kQuery)) s.q = unit();
  if (!stack.Has(Box::kKey)) s.k = unit();
  if (!stack.Has(Box::kValue)) s.v = random({kBatch, time, kKey}, 0.7);
  if (!stack.Has(Box::kEta)) s.eta = Mul(Sigmoid(random({kBatch, time}, 1.0)), 0.3);
  if (config.weight_decay() && !stack.Has(Box::kKeep))
    s.log_keep = LogKeepOf(random({kBatch, time}, 1.0));
  if (stack.scalars() > 0) constants.skip = random({kBatch, stack.scalars(), kKey}, 0.3);
  constants.eta_bias = random({kBatch, 1}, 0.5);
  constants.keep_bias = Add(random({kBatch, 1}, 0.2), 2.0);
  if (config.momentum() != Config::NONE)
    constants.log_momentum = LogKeepOf(random({kBatch, 1}, 0.5));
  std::map<Box, Tensors> first;
  for (Box box : boxes) {
    for (const Tensor& w : stack.Draw(box, dtype, draws))
      first[box].push_back(random({kBatch, w.dim(1), w.dim(2)}, 0.4));
  }
  state = stack.Join(first);
  const size_t n = state.size();
  for (size_t i = 0; config.rest() == Config::FIRST && i < n; ++i)
    constants.rest.push_back(random(state[i].shape(), 0.3));
  for (size_t i = 0; constants.log_momentum && i < n; ++i)
    state.push_back(random(state[i].shape(), 0.1));
}

Tensors SelfModifyingProblem::Sources() const {
  Tensors all = state;
  all.insert(all.end(), constants.rest.begin(), constants.rest.end());
  for (const Tensor& x :
       {inputs.x, inputs.x_v, inputs.signals.q, inputs.signals.k, inputs.signals.v,
        inputs.signals.eta, inputs.signals.log_keep, constants.skip, constants.eta_bias,
        constants.keep_bias, constants.log_momentum}) {
    if (x) all.push_back(x);
  }
  return all;
}

BoxScan SelfModifyingProblem::Run(int64_t chunk, ScanMode mode) const {
  return SelfModifyingScan(config, stack, constants).Run(inputs, state, state, chunk, 0, mode);
}

Tensor SelfModifyingProblem::Loss(const BoxScan& scan) {
  Tensor loss;
  Tensors all = scan.state;
  for (const Tensor& x : {scan.y, scan.signals.k, scan.signals.eta}) {
    if (x) all.push_back(x);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const Tensor weights = RandomNormal(all[i].shape(), RandomStream(9, "loss", i), all[i].dtype());
    const Tensor part = Sum(Mul(all[i], weights));
    loss = loss ? Add(loss, part) : part;
  }
  return loss;
}

double MaxDifference(const BoxScan& a, const BoxScan& b) {
  PALIMPSEST_CHECK(a.state.size() == b.state.size() && a.anchor.size() == b.anchor.size())
      << "other states";
  double difference = 0.0;
  const auto compare = [&](const Tensor& x, const Tensor& y) {
    PALIMPSEST_CHECK(static_cast<bool>(x) == static_cast<bool>(y))
        << "only one of the scans has it";
    if (x) difference = std::max(difference, MaxDifference(x, y));
  };
  compare(a.y, b.y);
  compare(a.signals.k, b.signals.k);
  compare(a.signals.eta, b.signals.eta);
  for (size_t i = 0; i < a.state.size(); ++i) compare(a.state[i], b.state[i]);
  for (size_t i = 0; i < a.anchor.size(); ++i) compare(a.anchor[i], b.anchor[i]);
  return difference;
}

}  // namespace palimpsest
