#include "ops/flop_count.h"

#include "core/tape.h"
#include "gtest/gtest.h"
#include "ops/elementwise.h"
#include "ops/linalg.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

Tensor Ones(const Shape& shape) { return Tensor::Full(shape, 1.0, DType::kF64); }

TEST(FlopCount, IsTwoForEachTermOfAProduct) {
  const FlopCount count;
  MatMul(Ones({3, 4}), Ones({4, 5}));
  EXPECT_EQ(count.flops(), 2 * 3 * 4 * 5);
  MatMul(Ones({7, 3, 4}), Ones({7, 5, 4}), {.b = true});
  EXPECT_EQ(count.flops(), 2 * 8 * 3 * 4 * 5);
  MatMul(Ones({7, 3, 4}), Ones({4, 5}));
  EXPECT_EQ(count.flops(), 2 * 15 * 3 * 4 * 5);
}

TEST(FlopCount, OfAGramMatrixIsTheTriangle) {
  const FlopCount count;
  Gram(Ones({7, 3, 4}));
  EXPECT_EQ(count.flops(), 2 * 7 * (1 + 2 + 3) * 4);
  Gram(Ones({7, 3, 4}), /*of_columns=*/true);
  EXPECT_EQ(count.flops(), 2 * 7 * (1 + 2 + 3) * 4 + 2 * 7 * (1 + 2 + 3 + 4) * 3);
}

TEST(FlopCount, OfASolveIsTheTriangle) {
  const FlopCount count;
  TriSolve(Ones({2, 4, 4}), Ones({2, 4, 3}));
  EXPECT_EQ(count.flops(), 2 * 2 * (1 + 2 + 3) * 3);
}

TEST(FlopCount, OfAGateIsTheSameInOnePassAndComposed) {
  const auto count = [] {
    const FlopCount count;
    SiluMul(Ones({3, 5}), Ones({3, 5}));
    return count.flops();
  };
  EXPECT_EQ(count(), 2 * 3 * 5);
  const ComposedScope composed;
  EXPECT_EQ(count(), 2 * 3 * 5);
}

TEST(FlopCount, IsOneForEachElement) {
  const FlopCount count;
  Mul(Ones({3, 1}), Ones({1, 4}));
  EXPECT_EQ(count.flops(), 12);
  Exp(Ones({5}));
  EXPECT_EQ(count.flops(), 12 + 5);
  Sum(Ones({3, 4}), {0});
  EXPECT_EQ(count.flops(), 12 + 5 + 12);
  CumSum(Ones({3, 4}), 1);
  EXPECT_EQ(count.flops(), 12 + 5 + 12 + 12);
}

TEST(FlopCount, CountsGradientsAndNests) {
  const FlopCount all;
  const Tensor a = Ones({3, 4}), b = Ones({4, 5});
  Tape tape;
  tape.Watch({a, b});
  const Tensor y = MatMul(a, b);
  {
    const FlopCount gradient;
    tape.Gradient(y, Tensors{a, b});
    EXPECT_EQ(gradient.flops(), 2 * 2 * 3 * 4 * 5);
  }
  EXPECT_EQ(all.flops(), 3 * 2 * 3 * 4 * 5);
  MatMul(Ones({3, 0}), Ones({0, 5}));
  EXPECT_EQ(all.flops(), 3 * 2 * 3 * 4 * 5);
}

}  // namespace
}  // namespace palimpsest
