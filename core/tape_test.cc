#include "core/tape.h"

#include <thread>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "core/test_ops.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

using test_ops::Add;
using test_ops::Exp;
using test_ops::Mul;
using test_ops::Vector;

using Values = std::vector<double>;

TEST(TapeTest, ProductRule) {
  const Tensor a = Vector({2, 3}), b = Vector({5, 7}), unrelated = Vector({1});
  Tape tape;
  tape.Watch({a, b});
  const Tensors g = tape.Gradient(Mul(Mul(a, a), b), {a, b, unrelated});
  EXPECT_EQ(g[0].ToVector(), (Values{20, 42}));
  EXPECT_EQ(g[1].ToVector(), (Values{4, 9}));
  EXPECT_EQ(g[2].ToVector(), (Values{0}));
}

TEST(TapeTest, SeveralOutputsCotangentsAndIntermediateSources) {
  const Tensor x = Vector({3}), dy = Vector({10}), dz = Vector({100});
  Tape tape;
  tape.Watch(x);
  const Tensor y = Mul(x, x), z = Mul(y, x);
  const Tensors g = tape.Gradient({y, z}, {x, y}, {dy, dz});
  EXPECT_EQ(g[0].ToVector(), (Values{10 * 6 + 100 * 27}));
  EXPECT_EQ(g[1].ToVector(), (Values{10 + 100 * 3}));
}

TEST(TapeTest, ByName) {
  const NamedTensors x = {{"a", Vector({2})}, {"b", Vector({5})}};
  Tape tape;
  tape.Watch(x);
  const NamedTensors g = tape.Gradient(Mul(x.at("a"), x.at("b")), x);
  EXPECT_EQ(g.at("a").ToVector(), (Values{5}));
  EXPECT_EQ(g.at("b").ToVector(), (Values{2}));
}

TEST(TapeTest, TapesNest) {
  const Tensor x = Vector({2});
  Tape third, second;
  third.Watch(x);
  second.Watch(x);
  Tape first;
  first.Watch(x);
  const Tensor dx = first.Gradient(Mul(Mul(x, x), Mul(x, x)), {x})[0];
  const Tensor d2x = second.Gradient(dx, {x})[0];
  EXPECT_EQ(dx.ToVector(), (Values{32}));
  EXPECT_EQ(d2x.ToVector(), (Values{48}));
  EXPECT_EQ(third.Gradient(d2x, {x})[0].ToVector(), (Values{48}));
}

TEST(TapeTest, RecordsNothingAfterItsGradient) {
  const Tensor x = Vector({2});
  Tape tape;
  tape.Watch(x);
  tape.Gradient(Mul(x, x), {x});
  EXPECT_FALSE(tape.Tracks(Mul(x, x)));
}

TEST(TapeTest, AnotherThreadRecordsNothing) {
  const Tensor x = Vector({2});
  Tape tape;
  tape.Watch(x);
  Tensor y;
  std::thread([&] { y = Mul(x, x); }).join();
  EXPECT_FALSE(tape.Tracks(y));
}

TEST(TapeTest, PersistentGivesSeveralGradients) {
  const Tensor x = Vector({3}), dy = Vector({1});
  Tape tape(Tape::Lifetime::kPersistent);
  tape.Watch(x);
  const Tensor y = Add(x, x);
  EXPECT_EQ(tape.Gradient(y, {x}, dy)[0].ToVector(), (Values{2}));
  // Also when the cotangent came back as the gradient: it is still the caller's.
  EXPECT_EQ(tape.Gradient(Mul(x, dy), {x}, dy)[0].ToVector(), (Values{1}));
  EXPECT_EQ(tape.Gradient(Mul(y, dy), {x})[0].ToVector(), (Values{2}));
}

// An identity that says how many bytes are live when backward reaches it.
Tensor Probe(const Tensor& x, int64_t* live) {
  return Record(x.Detach(), {{x, [live](const Tensor& dy) {
                                *live = Allocator::Of(Device::kCpu).stats().live_bytes;
                                return dy;
                              }}});
}

int64_t LiveAtTheEnd(Tape::Lifetime lifetime) {
  const int64_t before = Allocator::Of(Device::kCpu).stats().live_bytes;
  const Tensor x = Vector(Values(1000, 1.0));
  int64_t live = 0;
  Tape tape(lifetime);
  tape.Watch(x);
  Tensor y = Probe(x, &live);
  for (int i = 0; i < 50; ++i) y = Exp(Mul(y, y));
  const Tensor dy = y;
  y = {};
  tape.Gradient(dy, {x});
  return (live - before) / (1000 * static_cast<int64_t>(sizeof(double)));
}

TEST(TapeTest, NodesAreFreedAsBackwardPassesThem) {
  EXPECT_LE(LiveAtTheEnd(Tape::Lifetime::kOneGradient), 8);
  EXPECT_GE(LiveAtTheEnd(Tape::Lifetime::kPersistent), 50);
}

// (x, 2 x), saying which cotangents it was given.
Tensors Both(const Tensor& x, std::vector<bool>* seen) {
  return Record({x.Detach(), Add(x.Detach(), x.Detach())}, {x},
                [seen](const Tensors& dys) -> Tensors {
                  for (const Tensor& dy : dys) seen->push_back(static_cast<bool>(dy));
                  Tensor dx = dys[0];
                  if (dys[1]) dx = dx ? Add(dx, Add(dys[1], dys[1])) : Add(dys[1], dys[1]);
                  return {dx};
                });
}

TEST(TapeTest, JointVjpGetsTheCotangentsThereAre) {
  const Tensor x = Vector({3}), unrelated = Vector({4});
  std::vector<bool> seen;
  Tape tape(Tape::Lifetime::kPersistent);
  tape.Watch({x, unrelated});
  const Tensors y = Both(x, &seen);
  EXPECT_EQ(tape.Gradient(y[1], {x})[0].ToVector(), (Values{2}));
  EXPECT_EQ(seen, (std::vector<bool>{false, true}));
  EXPECT_EQ(tape.Gradient(y, {x})[0].ToVector(), (Values{3}));
  EXPECT_EQ(seen, (std::vector<bool>{false, true, true, true}));
  tape.Gradient(Mul(unrelated, unrelated), {x});
  EXPECT_EQ(seen.size(), 4u) << "called though nothing depended on it";
}

class TapeDeathTest : public testing::Test {
 protected:
  TapeDeathTest() { SetNumThreads(1); }
  const Tensor x_ = Vector({2});
};

TEST_F(TapeDeathTest, OneGradientOnly) {
  Tape tape;
  tape.Watch(x_);
  const Tensor y = Mul(x_, x_);
  tape.Gradient(y, {x_});
  EXPECT_DEATH(tape.Gradient(y, {x_}), "this tape has given its gradient");
  EXPECT_DEATH(tape.Watch(x_), "this tape has given its gradient");
}

TEST_F(TapeDeathTest, OwnGradientFlowsBack) {
  Tape tape(Tape::Lifetime::kPersistent);
  tape.Watch(x_);
  const Tensor g = tape.Gradient(Mul(x_, x_), {x_})[0];
  EXPECT_DEATH(Mul(g, x_), "gradient flows back into the tape");
  const Tensor doubled = Add(g, g);
  EXPECT_DEATH(Mul(doubled, x_), "gradient flows back into the tape");
  EXPECT_EQ(tape.Gradient(Mul(g.Detach(), x_), {x_})[0].ToVector(), (Values{4}));
}

TEST_F(TapeDeathTest, CotangentsMatchTheirOutputs) {
  Tape tape;
  tape.Watch(x_);
  const Tensor y = Mul(x_, x_);
  EXPECT_DEATH(tape.Gradient(y, {x_}, Vector({1, 1})), "cotangent f64 \\[2\\] of f64 \\[1\\]");
  EXPECT_DEATH(tape.Gradient({y}, {x_}, {y, y}), "1 outputs, 2 cotangents");
}

TEST_F(TapeDeathTest, AWrongVjpIsNamed) {
  Tape tape;
  tape.Watch(x_);
  Tensor y;
  {
    const OpScope scope("careless");
    y = Record(x_.Detach(), {{x_, [](const Tensor&) { return Vector({1, 2, 3}); }}});
  }
  EXPECT_DEATH(tape.Gradient(y, {x_}),
               "\\[careless in backward\\].*gradient f64 \\[3\\] for an input \\[1\\]");
}

TEST_F(TapeDeathTest, IntegersHaveNoGradient) {
  Tape tape;
  EXPECT_DEATH(tape.Watch(Tensor::Full({2}, 1, DType::kI32)),
               "no gradient with respect to i32 \\[2\\]");
}

}  // namespace
}  // namespace palimpsest
