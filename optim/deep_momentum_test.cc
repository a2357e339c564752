// An MLP as momentum (Nested Learning, eq. 50) with the defaults of dmgd.
#include <cmath>
#include <utility>

#include "core/random.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

double Cosine(const Tensor& a, const Tensor& b) {
  const auto dot = [](const Tensor& x, const Tensor& y) { return Sum(Mul(x, y)).Item(); };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

// The step of rate 1 for a gradient that comes again and again, with noise: at first and after 60.
struct Steps {
  Tensor first, last;
};

Steps OfRepeated(const Tensor& g) {
  NamedTensors params = {{"w", Mul(g, 0.0)}};
  const auto optimizer = MakeOptimizer("name: 'dmgd' lr: 1", params);
  NamedTensors state = optimizer->Init(params);
  Steps steps;
  for (int step = 0; step < 60; ++step) {
    const Tensor noise = RandomNormal(g.shape(), RandomStream(step, "noise"), DType::kF64);
    const Tensor before = params.at("w"),
                 seen = Add(g, Mul(noise, Mul(Div(Norm(g), Norm(noise)), 0.3)));
    UpdateResult r = optimizer->Update(params, {{"w", seen}}, std::move(state), step);
    params = std::move(r.params), state = std::move(r.state);
    (step == 0 ? steps.first : steps.last) = Sub(before, params.at("w"));
  }
  return steps;
}

// However large the gradient and however many rows it has.
TEST(DeepMomentum, LearnsTheDirectionOfAGradient) {
  for (const Shape& shape : {Shape{1, 2}, Shape{3, 4}, Shape{96, 40}, Shape{40, 96}}) {
    const Tensor normal = RandomNormal(shape, RandomStream(1, "g"), DType::kF64),
                 g = Div(normal, Norm(normal));
    const Steps steps = OfRepeated(g);
    EXPECT_GT(Cosine(steps.last, g), 0.5) << g;
    EXPECT_GT(Norm(steps.last).Item(), 2.0 * Norm(steps.first).Item()) << g;
    for (const double size : {1e-4, 1e4})
      EXPECT_LT(Distance(OfRepeated(Mul(g, size)).last, steps.last), 1e-6) << g << " of " << size;
  }
}

}  // namespace
}  // namespace palimpsest
