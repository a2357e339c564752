#include "train/batch_gradients.h"

#include <algorithm>
#include <utility>

#include "core/random.h"
#include "core/tape.h"
#include "ops/elementwise.h"
#include "ops/loss.h"

namespace palimpsest {
namespace {

int64_t CountLabels(const Tensor& labels) {
  const int32_t* data = labels.data<int32_t>();
  return labels.size() - std::count(data, data + labels.size(), kIgnoreLabel);
}

// Of each part's labels, of all: with these weights the parts' gradients add up to the batch's.
std::vector<double> Shares(const Tensor& labels, int64_t parts) {
  const int64_t rows = labels.dim(0) / parts, all = CountLabels(labels);
  std::vector<double> shares(parts, 1.0);
  if (parts == 1 || all == 0) return shares;
  for (int64_t i = 0; i < parts; ++i)
    shares[i] = static_cast<double>(CountLabels(labels.Rows(i * rows, (i + 1) * rows))) /
                static_cast<double>(all);
  return shares;
}

// Where ids are on a device, no one there says that one is out of range.
void CheckTokens(const Tensor& tokens, int64_t vocab) {
  const int32_t* data = tokens.data<int32_t>();
  const auto bad =
      std::find_if(data, data + tokens.size(), [=](int32_t id) { return id < 0 || id >= vocab; });
  PALIMPSEST_CHECK(bad == data + tokens.size())
      << "token " << *bad << " of a batch " << tokens << " is none of a vocabulary of " << vocab;
}

std::vector<const void*> Places(const NamedTensors& params) {
  std::vector<const void*> places;
  for (const auto& [path, param] : params) places.push_back(param.raw());
  return places;
}

}  // namespace

BatchGradients::Inputs BatchGradients::OnHost(const Examples& batch, int64_t step) const {
  CheckTokens(batch.tokens, config_.model().vocab_size());
  const std::vector<double> shares = Shares(batch.labels, config_.grad_accumulation());
  const Shape parts = {static_cast<int64_t>(shares.size())};
  return {.tokens = batch.tokens,
          .labels = batch.labels,
          .shares = Tensor::FromVector(parts, shares, DType::kF64),
          .step = Tensor::From<int64_t>({}, {step})};
}

BatchGradients::Inputs BatchGradients::Placed(const Inputs& in) const {
  return {.tokens = CopyTo(in.tokens, device_),
          .labels = CopyTo(in.labels, device_),
          .shares = CopyTo(in.shares, device_),
          .step = CopyTo(in.step, device_),
          .numbers = in.numbers ? CopyTo(in.numbers, device_) : Tensor()};
}

BatchGradients::Result BatchGradients::ComputePart(const Inputs& in, int64_t part,
                                                   const NamedTensors& params,
                                                   const StatisticSink& statistics) {
  const int64_t parts = in.shares.dim(0), rows = in.tokens.dim(0) / parts;
  const auto of_part = [&](const Tensor& x) { return x.Rows(part * rows, (part + 1) * rows); };
  const RandomStream dropout = RandomStream(config_.seed(), "dropout").Fork(part);
  Tape tape;
  tape.Watch(params);
  const ForwardOptions options{
      .dropout = &dropout, .dropout_step = in.step, .statistics = statistics};
  Tensor loss =
      CrossEntropy(model_.Forward(of_part(in.tokens), options).logits, of_part(in.labels));
  if (parts > 1) loss = Mul(loss, Cast(in.shares.Rows(part, part + 1).WithShape({}), loss.dtype()));
  return {loss.Detach(), tape.Gradient(loss, params)};
}

BatchGradients::Result BatchGradients::Compute(const Inputs& in, const NamedTensors& params,
                                               const StatisticSink& statistics) {
  Result sum = ComputePart(in, 0, params, statistics);
  for (int64_t i = 1; i < in.shares.dim(0); ++i) {
    Result next = ComputePart(in, i, params, {});
    sum.loss = Add(sum.loss, next.loss);
    for (auto& [path, gradient] : sum.gradients) gradient = Add(gradient, next.gradients.at(path));
  }
  return sum;
}

BatchGradients::Result BatchGradients::ByOps(const Examples& batch, int64_t step,
                                             const NamedTensors& params,
                                             const StatisticSink& statistics) {
  Result result = Compute(Placed(OnHost(batch, step)), params, statistics);
  result.loss = Cast(result.loss, DType::kF64);
  return result;
}

void BatchGradients::Record(Inputs in, const NamedTensors& params, const Update* update) {
  recorded_ = {.inputs = std::move(in), .places = {}, .result = {}, .graph = {}};
  recorded_.graph = std::make_unique<DeviceGraph>(device_, [&] {
    Result& result = recorded_.result;
    result = Compute(recorded_.inputs, params, {});
    result.loss = Cast(result.loss, DType::kF64);
    if (update == nullptr) return;
    result.updated = true;
    update->record({result.loss, std::exchange(result.gradients, {})}, recorded_.inputs.numbers);
  });
  ++recordings_;
}

BatchGradients::Result BatchGradients::Of(const Examples& batch, int64_t step,
                                          const NamedTensors& params, const Update* update) {
  // The first loads what its ops need.
  if (!config_.cuda_graph() || !std::exchange(begun_, true)) return ByOps(batch, step, params);
  Inputs in = OnHost(batch, step);
  std::vector<const void*> places = Places(params);
  if (update != nullptr) {
    in.numbers = update->numbers;
    places.insert(places.end(), update->places.begin(), update->places.end());
  }
  if (recorded_.places != places) {
    Record(Placed(in), params, update);
    recorded_.places = std::move(places);
  } else {
    Overwrite(recorded_.inputs.tokens, in.tokens);
    Overwrite(recorded_.inputs.labels, in.labels);
    Overwrite(recorded_.inputs.shares, in.shares);
    Overwrite(recorded_.inputs.step, in.step);
    if (update != nullptr) Overwrite(recorded_.inputs.numbers, in.numbers);
  }
  recorded_.graph->Replay();
  // The next replay writes its own into the same memory.
  return {Mul(recorded_.result.loss, 1.0), recorded_.result.gradients, recorded_.result.updated};
}

}  // namespace palimpsest
