#include "train/batch_gradients.h"

#include <algorithm>
#include <vector>

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

}  // namespace

StepInputs CopyTo(const StepInputs& inputs, Device device) {
  return {.tokens = CopyTo(inputs.tokens, device),
          .labels = CopyTo(inputs.labels, device),
          .shares = CopyTo(inputs.shares, device),
          .step = CopyTo(inputs.step, device),
          .numbers = CopyTo(inputs.numbers, device)};
}

void Overwrite(StepInputs& inputs, const StepInputs& with) {
  Overwrite(inputs.tokens, with.tokens);
  Overwrite(inputs.labels, with.labels);
  Overwrite(inputs.shares, with.shares);
  Overwrite(inputs.step, with.step);
  Overwrite(inputs.numbers, with.numbers);
}

StepInputs BatchGradients::Inputs(const Examples& batch, int64_t step,
                                  const Tensor& numbers) const {
  CheckTokens(batch.tokens, config_.model().vocab_size());
  const std::vector<double> shares = Shares(batch.labels, config_.grad_accumulation());
  const Shape parts = {static_cast<int64_t>(shares.size())}, scalar;
  return {.tokens = batch.tokens,
          .labels = batch.labels,
          .shares = Tensor::FromVector(parts, shares, DType::kF64),
          .step = Tensor::From<int64_t>(scalar, {step}),
          .numbers = numbers};
}

BatchGradients::Result BatchGradients::OfPart(const StepInputs& inputs, int64_t part,
                                              const NamedTensors& params,
                                              const StatisticSink& statistics) {
  const int64_t parts = inputs.shares.dim(0), rows = inputs.tokens.dim(0) / parts;
  const auto of_part = [&](const Tensor& x) { return x.Rows(part * rows, (part + 1) * rows); };
  const RandomStream dropout = RandomStream(config_.seed(), "dropout").Fork(part);
  Tape tape;
  tape.Watch(params);
  const ForwardOptions options{
      .dropout = &dropout, .dropout_step = inputs.step, .statistics = statistics};
  Tensor loss =
      CrossEntropy(model_.Forward(of_part(inputs.tokens), options).logits, of_part(inputs.labels));
  if (parts > 1)
    loss = Mul(loss, Cast(inputs.shares.Rows(part, part + 1).WithShape({}), loss.dtype()));
  return {loss.Detach(), tape.Gradient(loss, params)};
}

BatchGradients::Result BatchGradients::Of(const StepInputs& inputs, const NamedTensors& params,
                                          const StatisticSink& statistics) {
  Result sum = OfPart(inputs, 0, params, statistics);
  for (int64_t i = 1; i < inputs.shares.dim(0); ++i) {
    Result next = OfPart(inputs, i, params, {});
    sum.loss = Add(sum.loss, next.loss);
    for (auto& [path, gradient] : sum.gradients) gradient = Add(gradient, next.gradients.at(path));
  }
  sum.loss = Cast(sum.loss, DType::kF64);
  return sum;
}

}  // namespace palimpsest
