// What fused ops, recomputation and the watch for non-finite values ask of the tape.

#include <cmath>
#include <vector>

#include "core/tape.h"
#include "core/test_ops.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

using test_ops::Add;
using test_ops::Exp;
using test_ops::Mul;
using test_ops::Vector;

using Values = std::vector<double>;

int fused_calls = 0;

Tensors Composed(const Tensors& in) { return {Mul(in[0], Exp(in[1])), Mul(in[0], in[1])}; }

// (a e^b, a b), with gradients that no tape can follow.
Tensors Fused(const Tensor& a, const Tensor& b) {
  const OpScope scope("fused");
  const auto f = [](const Tensors& in) { return RunUnrecorded([&] { return Composed(in); }); };
  const JointVjp vjp = [a, b](const Tensors& dys) -> Tensors {
    ++fused_calls;
    Tensor da = Vector(Values(a.size(), 0.0)), db = da;
    if (dys[0]) da = Mul(dys[0], Exp(b)), db = Mul(dys[0], Mul(a, Exp(b)));
    if (dys[1]) da = Add(da, Mul(dys[1], b)), db = Add(db, Mul(dys[1], a));
    return {da, db};
  };
  return RecordFused(f({a, b}), {a, b}, vjp, Composed);
}

int sums_given = 0, in_place = 0;

// a b, with gradients added to what there is: in its place where that is allowed.
Tensor MulOnto(const Tensor& a, const Tensor& b) {
  const OpScope scope("mul_onto");
  const auto times = [](const Tensor& factor) {
    return [factor](const Tensor& dy, Tensor sum) {
      if (!sum) return Mul(dy, factor);
      ++sums_given;
      const Tensor dx = Mul(dy, factor);
      if (!sum.Unique() || IsTracked(sum) || IsTracked(dx)) return Add(sum, dx);
      ++in_place;
      for (int64_t i = 0; i < sum.size(); ++i)
        sum.mutable_data<double>()[i] += dx.data<double>()[i];
      return sum;
    };
  };
  return RecordOnto(RunUnrecorded([&] { return Tensors{Mul(a, b)}; })[0],
                    {{a, times(b)}, {b, times(a)}});
}

using Op = std::function<Tensors(const Tensor& a, const Tensor& b)>;

// Of op(a, b)'s `output`, its gradient's and theirs: all first, second and third derivatives there
// are.
std::vector<Values> Derivatives(const Op& op, const Tensor& a, const Tensor& b, int output) {
  std::vector<Values> all;
  const Tensors x = {a, b};
  Tape third;
  third.Watch(x);
  Tape second;
  second.Watch(x);
  Tape first;
  first.Watch(x);
  const Tensor y = op(a, b)[output];
  const Tensors dx = first.Gradient(y, x);
  const Tensors d2x = second.Gradient(dx, x, {a, b});
  const Tensors d3x = third.Gradient(d2x, x, {b, a});
  for (const Tensors& ds : {Tensors{y}, dx, d2x, d3x}) {
    for (const Tensor& d : ds) all.push_back(d.ToVector());
  }
  return all;
}

void ExpectNear(const std::vector<Values>& got, const std::vector<Values>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    for (size_t j = 0; j < got[i].size(); ++j) EXPECT_NEAR(got[i][j], want[i][j], 1e-12) << i;
  }
}

Tensors ComposedOp(const Tensor& a, const Tensor& b) { return Composed({a, b}); }

TEST(RecordFusedTest, DerivativesAreThoseOfTheComposition) {
  const Tensor a = Vector({0.5, -1.5}), b = Vector({0.25, 2.0});
  for (const int output : {0, 1}) {
    fused_calls = 0;
    ExpectNear(Derivatives(Fused, a, b, output), Derivatives(ComposedOp, a, b, output));
    EXPECT_EQ(fused_calls, 1);
  }
}

TEST(RecordFusedTest, OneTensorInBothPlaces) {
  const Tensor x = Vector({0.5, -1.5});
  for (const int output : {0, 1}) {
    ExpectNear(Derivatives(Fused, x, x, output), Derivatives(ComposedOp, x, x, output));
  }
}

TEST(RecordFusedTest, ComposedScopeRunsTheComposition) {
  const Tensor a = Vector({0.5}), b = Vector({0.25});
  fused_calls = 0;
  const ComposedScope composed;
  ExpectNear(Derivatives(Fused, a, b, 0), Derivatives(ComposedOp, a, b, 0));
  EXPECT_EQ(fused_calls, 0);
}

TEST(RunUnrecordedTest, OuterTapesSeeNothingInnerOnesAll) {
  const Tensor x = Vector({3});
  Tape outer;
  outer.Watch(x);
  const Tensors y = RunUnrecorded([&] {
    Tape inner;
    inner.Watch(x);
    const Tensor square = Mul(x, x);
    return Tensors{square, inner.Gradient(square, {x})[0]};
  });
  EXPECT_EQ(y[1].ToVector(), (Values{6}));
  EXPECT_FALSE(outer.Tracks(y[0]));
  EXPECT_FALSE(outer.Tracks(y[1]));
  EXPECT_TRUE(outer.Tracks(Mul(x, x)));
}

TEST(RunUnrecordedTest, CapturesWhatTheOuterTapesTrack) {
  const Tensor x = Vector({3}), constant = Vector({2}), unused = Vector({1});
  Tape outer;
  outer.Watch({x, unused});
  const Tensor made = Mul(x, constant);
  Tensors captured;
  RunUnrecorded(
      [&] {
        const Tensor y = Mul(Add(made, constant), made);
        return Tensors{Mul(y, x)};
      },
      &captured);
  ASSERT_EQ(captured.size(), 2u);
  EXPECT_EQ(captured[0].id(), made.id());
  EXPECT_EQ(captured[1].id(), x.id());
}

TEST(FiniteWatchTest, NamesTheFirstOpThatIsNotFinite) {
  const Tensor x = Vector({1, 800});
  const FiniteWatch watch;
  Mul(x, x);
  EXPECT_EQ(watch.first(), "");
  const Tensor y = Exp(x);
  Mul(y, y);
  EXPECT_EQ(watch.first(), "exp gave f64 [2]");
}

TEST(FiniteWatchTest, NamesTheGradient) {
  const Tensor x = Vector({1});
  Tape tape;
  tape.Watch(x);
  Tensor y;
  {
    const OpScope scope("steep");
    y = Record(x.Detach(), {{x, [](const Tensor&) { return Vector({INFINITY}); }}});
  }
  const FiniteWatch watch;
  tape.Gradient(y, {x});
  EXPECT_EQ(watch.first(), "the gradient of steep gave f64 [1]");
}

TEST(RecordOnto, DerivativesOfAllOrdersAreThoseOfTheOpItself) {
  const Tensor a = Vector({2, -3}), b = Vector({5, 0.5});
  const auto cubed = [](auto mul) {
    return [=](const Tensor& a, const Tensor& b) -> Tensors {
      return {mul(mul(mul(a, b), a), mul(a, a)), mul(b, b)};
    };
  };
  for (const int output : {0, 1}) {
    EXPECT_EQ(Derivatives(cubed(MulOnto), a, b, output), Derivatives(cubed(Mul), a, b, output));
  }
}

TEST(RecordOnto, SumsAreMadeInPlaceWhereNoOneElseSeesThem) {
  const Tensor a = Vector({2}), b = Vector({5}), c = Vector({7}), dy = Vector({1});
  sums_given = in_place = 0;
  const auto gradient = [&](Tape& tape) {
    return tape.Gradient({MulOnto(a, b), MulOnto(a, c), MulOnto(a, a)}, {a, b, c}, {dy, dy, dy});
  };
  {
    Tape tape;
    tape.Watch({a, b, c});
    const Tensors g = gradient(tape);
    EXPECT_EQ(g[0].ToVector(), (Values{5 + 7 + 4}));
    EXPECT_EQ(g[1].ToVector(), (Values{2}));
    EXPECT_EQ(g[2].ToVector(), (Values{2}));
  }
  // a's own two gradients are summed by the tape: then one is there for each of the others.
  EXPECT_EQ(sums_given, 2);
  EXPECT_EQ(in_place, 2);
  Tape outer, tape;
  outer.Watch({a, b, c});
  tape.Watch({a, b, c});
  EXPECT_EQ(gradient(tape)[0].ToVector(), (Values{5 + 7 + 4}));
  EXPECT_EQ(sums_given, 4);
  EXPECT_EQ(in_place, 2);
}

}  // namespace
}  // namespace palimpsest
