#include "ops/loss.h"

#include <algorithm>

#include "core/op_scope.h"
#include "core/tape.h"
#include "kernels/cross_entropy.h"
#include "kernels/label_score.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/reduce.h"
#include "ops/softmax.h"

namespace palimpsest {
namespace {

// -sum(onehot log softmax) / count, each row by its one-hot label, none for an ignored one.
Tensor Composed(const Tensor& logits, const Tensor& labels) {
  const Tensor x = logits.dtype() == DType::kBf16 ? Cast(logits, DType::kF32) : logits;
  const Tensor ignored =
      Equal(labels, Tensor::Full({}, kIgnoreLabel, labels.dtype(), labels.device()));
  const Tensor zero = Tensor::Full({}, 0, labels.dtype(), labels.device());
  Shape rows = labels.shape();
  rows.push_back(1);
  const Tensor none = Tensor::Full({}, 0.0, x.dtype(), x.device());
  const Tensor target = Where(ignored.WithShape(rows), none,
                              OneHot(Where(ignored, zero, labels), x.dim(-1), x.dtype()));
  const double count = std::max(Sum(target).Item(), 1.0);
  return Mul(Sum(Mul(LogSoftmax(x), target)), -1.0 / count);
}

}  // namespace

Tensor CrossEntropy(const Tensor& logits, const Tensor& labels) {
  const OpScope scope("cross_entropy");
  PALIMPSEST_CHECK(IsFloat(logits.dtype()) && !IsFloat(labels.dtype()) &&
                   logits.device() == labels.device() && logits.rank() == labels.rank() + 1 &&
                   std::equal(labels.shape().begin(), labels.shape().end(), logits.shape().begin()))
      << logits << " and labels " << labels;
  const int64_t rows = labels.size(), classes = logits.dim(-1);
  const DType wide = logits.dtype() == DType::kF64 ? DType::kF64 : DType::kF32;
  const Tensor ids = Cast(labels, DType::kI64);
  Tensor log_sum = Tensor::Empty(labels.shape(), wide, logits.device());
  Tensor loss = Tensor::Empty({}, wide, logits.device());
  cross_entropy(logits.device(), {logits.dtype(), rows, classes, logits.raw(), ids.data<int64_t>(),
                                  kIgnoreLabel, log_sum.mutable_raw(), loss.mutable_raw()});
  const JointVjp vjp = [=](const Tensors& dys) -> Tensors {
    Tensor dlogits = Tensor::Empty(logits.shape(), logits.dtype(), logits.device());
    cross_entropy_grad(logits.device(),
                       {logits.dtype(), rows, classes, logits.raw(), ids.data<int64_t>(),
                        kIgnoreLabel, log_sum.raw(), dys[0].raw(), dlogits.mutable_raw()});
    return {dlogits};
  };
  return RecordFused({loss}, {logits}, vjp, [labels](const Tensors& in) -> Tensors {
    return {Composed(in[0], labels)};
  })[0];
}

Tensor LabelScores(const Tensor& logits, const Tensor& labels, const Tensor& group,
                   int64_t groups) {
  const OpScope scope("label_scores");
  const auto ids = [&](const Tensor& x) {
    return x.dtype() == DType::kI32 && x.device() == logits.device() &&
           x.shape() == Shape({logits.dim(0), logits.dim(1)});
  };
  PALIMPSEST_CHECK(IsFloat(logits.dtype()) && logits.rank() == 3 && ids(labels) &&
                   (group ? groups > 0 && ids(group) : groups == 0))
      << "logits " << logits << ", labels " << labels << ", group " << Describe(group) << " of "
      << groups;
  Tensor scores = Tensor::Empty({logits.dim(0), 1 + groups, 3}, DType::kF64, logits.device());
  label_score(logits.device(), {.dtype = logits.dtype(),
                                .batch = logits.dim(0),
                                .time = logits.dim(1),
                                .classes = logits.dim(2),
                                .groups = groups,
                                .logits = logits.raw(),
                                .label = labels.data<int32_t>(),
                                .ignored = kIgnoreLabel,
                                .group = group ? group.data<int32_t>() : nullptr,
                                .scores = scores.mutable_data<double>()});
  return scores;
}

}  // namespace palimpsest
