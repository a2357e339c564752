// HOPE's delta momentum in its scalar reading, m' = (keep - |g|^2) m + eta g, and its derivatives:
//   dL/dg = - 2 g <m, dm'> + eta dm',  dL/dm = (keep - |g|^2) dm',  dL/dkeep = <m, dm'>
// (A note on the paper prints - 2 (g^T m) dm' for the first, which is another vector.)
#include <cmath>
#include <string>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/layout.h"
#include "ops/reduce.h"
#include "optim/optimizer.h"
#include "optim/testing.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

constexpr double kKeep = 0.9, kEta = 0.3;

Tensor Normal(const char* name, double scale) {
  return RandomNormal({3, 4}, RandomStream(4, name), DType::kF64, scale);
}

double Dot(const Tensor& a, const Tensor& b) { return Sum(Mul(a, b)).Item(); }

struct Step {
  Tensor g = Normal("g", 0.15), m = Normal("m", 1.0), dm = Normal("dm", 1.0);
  Tensor keep = Tensor::Full({}, kKeep, DType::kF64);

  // The gradients of <m', dm'> in g, m and keep, through an optimizer's step.
  Tensors Gradients() const {
    const NamedTensors params = {{"w", Normal("w", 1.0)}};
    const auto optimizer = MakeOptimizer(
        "name: 'chain' lr: 1 level { kind: 'hope_delta' reading: SCALAR keep: 0.9 eta: 0.3 "
        "decay_scale: 1 }",
        params);
    NamedTensors state = optimizer->Init(params);
    Tape tape;
    tape.Watch({g, m, keep});
    state.at("w.m0") = Reshape(m, state.at("w.m0").shape());
    const UpdateResult r =
        optimizer->Update(params, {{"w", g}}, state, 0, {{"level.0.keep", keep}});
    const Tensor next = Reshape(r.state.at("w.m0"), g.shape());
    EXPECT_LT(Distance(next, Add(Mul(m, kKeep - Dot(g, g)), Mul(g, kEta))), 1e-14);
    return tape.Gradient(next, Tensors{g, m, keep}, dm);
  }
};

TEST(HopeDelta, HasTheGradientsOfItsEquation) {
  const Step s;
  const Tensors dx = s.Gradients();
  const double kept = kKeep - Dot(s.g, s.g);
  ASSERT_GT(kept, 0.1);  // Else it would be clamped.
  const Tensor dg = Add(Mul(s.g, -2.0 * Dot(s.m, s.dm)), Mul(s.dm, kEta));
  EXPECT_LT(Distance(dx[0], dg), 1e-13);
  EXPECT_LT(Distance(dx[1], Mul(s.dm, kept)), 1e-13);
  EXPECT_NEAR(dx[2].Item(), Dot(s.m, s.dm), 1e-12);
}

TEST(HopeDelta, IsNotThePrintedGradient) {
  const Step s;
  const Tensor printed = Add(Mul(s.dm, -2.0 * Dot(s.g, s.m)), Mul(s.dm, kEta));
  EXPECT_GT(Distance(s.Gradients()[0], printed), 0.1);
}

// Where |g|^2 takes all of the memory, its factor stays at the least there is, and moves no more.
TEST(HopeDelta, IsClampedWhereTheGradientIsLarge) {
  Step s;
  s.g = Mul(s.g, 100.0);
  const NamedTensors params = {{"w", Normal("w", 1.0)}};
  const auto optimizer = MakeOptimizer(
      "name: 'chain' lr: 1 level { kind: 'hope_delta' reading: SCALAR decay_scale: 1 eta: 0.3 }",
      params);
  NamedTensors state = optimizer->Init(params);
  state.at("w.m0") = s.m.WithShape(state.at("w.m0").shape());
  Tape tape;
  tape.Watch(s.g);
  const UpdateResult r = optimizer->Update(params, {{"w", s.g}}, state, 0);
  const Tensor next = Reshape(r.state.at("w.m0"), s.g.shape());
  EXPECT_LT(Distance(next, Add(Mul(s.m, 1e-6), Mul(s.g, kEta))), 1e-13);
  EXPECT_LT(Distance(tape.Gradient(next, Tensors{s.g}, s.dm)[0], Mul(s.dm, kEta)), 1e-13);
}

}  // namespace
}  // namespace palimpsest
