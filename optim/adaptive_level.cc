#include "optim/adaptive_level.h"

#include <utility>

#include "core/check.h"
#include "memory_rules/rule.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/reduce.h"
#include "optim/memory_level.h"

namespace palimpsest {
namespace {

Tensor Constant(double value, const Tensor& like) {
  return Tensor::Full({}, value, DType::kF64, like.device());
}
// A hyper-parameter where `like` is.
Tensor There(const Tensor& hyper, const Tensor& like) { return ScalarOn(like.device(), hyper); }
Tensor OneMinus(const Tensor& x) { return Add(Neg(x), 1.0); }
Tensor OnePlus(const Tensor& x) { return Add(x, 1.0); }

Tensor Dot(const Tensor& a, const Tensor& b) {
  return Sum(Mul(Cast(a, DType::kF64), Cast(b, DType::kF64)));
}

// clip(num / den, 0, most), 0 where den is 0.
Tensor Clipped(const Tensor& num, const Tensor& den, const Tensor& most) {
  const Tensor zero = Constant(0.0, den), positive = Greater(den, zero);
  const Tensor ratio = Div(num, Where(positive, den, Constant(1.0, den)));
  return Where(positive, Minimum(Maximum(ratio, zero), most), zero);
}

// As many memories of one number as there are gates: one, or one for each entry.
Tensor Write(const MemoryRule& rule, const Tensor& d, const Tensor& g, const Tensor& keep,
             const Tensor& strength) {
  const int64_t batch = keep.size(), value = batch == 1 ? g.size() : 1;
  const auto column = [&](const Tensor& x, int64_t n) { return Reshape(x, {batch, 1, n}); };
  const Tensor k = Tensor::Full({batch, 1, 1}, 1.0, g.dtype(), g.device());
  const State state = {Reshape(d, {batch, value, 1})};
  const State next = rule.Step(state, state,
                               {.k = k,
                                .v = column(g, value),
                                .gates = {{"log_keep", Reshape(Log(keep), {batch, 1})},
                                          {"beta", Reshape(strength, {batch, 1})}}});
  return Reshape(next[0], g.shape());
}

class Adaptive : public Level {
 public:
  Adaptive(std::string slot, std::string keep, bool per_tensor)
      : rule_(BuiltInRule("hebbian")),
        slot_(std::move(slot)),
        keep_(std::move(keep)),
        per_tensor_(per_tensor) {}

  const MemoryRule* memory() const override { return rule_.get(); }
  NamedTensors Init(const Shape& param, DType dtype) const override {
    return {{slot_, Tensor::Full(param, 0.0, dtype)}};
  }

  std::optional<int64_t> Phase(int64_t step) const override { return step == 0; }

  Tensors Sums(const Signal& s, const Hypers& hypers, const NamedTensors& state) const override {
    return per_tensor_ ? Tensors() : OwnSums(s.gradient, state.at(slot_), hypers);
  }

  Tensor Update(const Signal& s, const LevelStep& now, NamedTensors& state) const override {
    const Hypers& hypers = now.hypers;
    const Tensor &g = s.gradient, d = std::exchange(state.at(slot_), Tensor());
    Tensor keep = Constant(0.0, g), strength = Constant(1.0, g);
    if (now.step > 0) {
      const Tensors of = now.sums.empty() ? OwnSums(g, d, hypers) : now.sums;
      const Tensor beta = Clipped(of[0], of[1], There(hypers.at(keep_), g)),
                   lambda = There(hypers.at("lambda"), g);
      keep = Div(Add(beta, lambda), OnePlus(lambda));
      strength = Div(OneMinus(beta), OnePlus(lambda));
    }
    state.at(slot_) = Write(*rule_, d, g, ScalarLike(keep, g), ScalarLike(strength, g));
    return state.at(slot_);
  }

 private:
  static Tensors OwnSums(const Tensor& g, const Tensor& d, const Hypers& hypers) {
    const Tensor lambda = There(hypers.at("lambda"), g);
    const Tensor difference = Sub(d, g);
    const Tensor pulled = Add(g, Mul(d, ScalarLike(lambda, d)));
    return {Sub(Mul(OnePlus(lambda), Dot(g, d)), Dot(difference, pulled)),
            Dot(difference, difference)};
  }

  const std::unique_ptr<MemoryRule> rule_;
  const std::string slot_, keep_;
  const bool per_tensor_;
};

class AdaptiveAdam : public Level {
 public:
  AdaptiveAdam(std::string slot, std::string keep)
      : rule_(BuiltInRule("hebbian")), slot_(std::move(slot)), keep_(std::move(keep)) {}

  const MemoryRule* memory() const override { return rule_.get(); }
  NamedTensors Init(const Shape& param, DType dtype) const override {
    return {{slot_, Tensor::Full(param, 0.0, dtype)},
            {slot_ + ".beta_product", Tensor::Full({}, 1.0, dtype)},
            {slot_ + ".lr", Tensor::Full({}, 0.0, dtype)}};
  }

  std::optional<int64_t> Phase(int64_t step) const override { return step == 0; }

  Tensor Update(const Signal& s, const LevelStep& now, NamedTensors& state) const override {
    const Hypers& hypers = now.hypers;
    PALIMPSEST_CHECK(s.divisor) << "needs a second moment of the gradient";
    const Tensor &g = s.gradient, most = There(hypers.at(keep_), g);
    const Tensor d = std::exchange(state.at(slot_), Tensor());
    const Tensor product = Cast(state.at(slot_ + ".beta_product"), DType::kF64);
    const Tensor started = OneMinus(Mul(most, product));  // The correction for d's start at 0.
    const Tensor p = Mul(s.divisor, ScalarLike(started, g));
    const Tensor pull = Mul(p, ScalarLike(hypers.at("lambda"), p));
    const Tensor beta =
        now.step == 0 ? most
                      : Beta(s, d, p, pull, hypers, Cast(state.at(slot_ + ".lr"), DType::kF64));
    const Tensor b = ScalarLike(beta, p), whole = OnePlus(pull);
    const Tensor next = Write(*rule_, d, g, Div(Add(pull, b), whole), Div(OneMinus(b), whole));
    state.at(slot_) = next;
    state.at(slot_ + ".beta_product") = ScalarLike(Mul(product, beta), next);
    state.at(slot_ + ".lr") = ScalarLike(hypers.at("lr"), next);
    return Div(next, ScalarLike(started, next));
  }

 private:
  Tensor Beta(const Signal& s, const Tensor& d, const Tensor& p, const Tensor& pull,
              const Hypers& hypers, const Tensor& lr_before) const {
    const Tensor& g = s.gradient;
    const Tensor lr = There(hypers.at("lr"), g), mu = There(hypers.at("weight_decay"), g);
    const Tensor metric = Mul(p, OnePlus(pull)), difference = Sub(d, g);
    const Tensor weighted = Div(difference, metric);
    const Tensor moved = Add(Div(d, p), Mul(s.param, ScalarLike(mu, p)));
    const Tensor zero = Constant(0.0, g), positive = Greater(lr, zero);
    const Tensor ratio =
        Where(positive, Div(lr_before, Where(positive, lr, Constant(1.0, g))), zero);
    const Tensor gap = Mul(Mul(OnePlus(Mul(mu, lr)), ratio), Dot(g, moved));
    const Tensor num =
        Sub(Sub(gap, Dot(weighted, Add(g, Mul(pull, d)))), Mul(mu, Dot(s.param, difference)));
    return Clipped(num, Dot(weighted, difference), There(hypers.at(keep_), g));
  }

  const std::unique_ptr<MemoryRule> rule_;
  const std::string slot_, keep_;
};

}  // namespace

std::unique_ptr<Level> AdaptiveLevel(std::string slot, std::string keep, bool per_tensor) {
  return std::make_unique<Adaptive>(std::move(slot), std::move(keep), per_tensor);
}

std::unique_ptr<Level> AdaptiveAdamLevel(std::string slot, std::string keep) {
  return std::make_unique<AdaptiveAdam>(std::move(slot), std::move(keep));
}

}  // namespace palimpsest
