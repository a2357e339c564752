#include "ops/layout.h"

#include <vector>

#include "gtest/gtest.h"
#include "ops/index.h"

namespace palimpsest {
namespace {

using Values = std::vector<double>;

Tensor Counted(Shape shape, DType dtype = DType::kF32) {
  Values values(NumElements(shape));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  return Tensor::FromVector(std::move(shape), values, dtype);
}

TEST(Layout, ReshapeInfersOneExtent) {
  const Tensor x = Counted({2, 6});
  EXPECT_EQ(Reshape(x, {3, -1}).shape(), Shape({3, 4}));
  EXPECT_EQ(Reshape(x, {-1}).raw(), x.raw());
  EXPECT_EQ(Reshape(Counted({0, 3}), {-1, 3}).shape(), Shape({0, 3}));
  EXPECT_DEATH(Reshape(x, {5, -1}), "\\[reshape\\].*\\[2,6\\]");
  EXPECT_DEATH(Reshape(x, {0, -1}), "\\[reshape\\].*\\[2,6\\]");
  EXPECT_DEATH(Reshape(x, {-1, -1}), "\\[reshape\\].*\\[2,6\\]");
}

TEST(Layout, PermuteMovesAxes) {
  const Tensor y = Permute(Counted({2, 3, 2}, DType::kI64), {2, 0, 1});
  EXPECT_EQ(y.shape(), Shape({2, 2, 3}));
  EXPECT_EQ(y.ToVector(), Values({0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}));
  EXPECT_DEATH(Permute(y, {0, 0, 1}), "\\[permute\\].*named twice");
}

TEST(Layout, SliceOfLeadingAxesShares) {
  const Tensor x = Counted({1, 4, 3});
  const Tensor y = Slice(x, 1, 1, 3);
  EXPECT_EQ(y.ToVector(), Values({3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(y.raw(), x.data<float>() + 3);
  EXPECT_EQ(Slice(x, 2, 0, 2).ToVector(), Values({0, 1, 3, 4, 6, 7, 9, 10}));
}

TEST(Layout, ConcatSplitPad) {
  const Tensor x = Counted({2, 2}, DType::kI32), y = Counted({2, 1}, DType::kI32);
  const Tensor z = Concat({x, y}, 1);
  EXPECT_EQ(z.ToVector(), Values({0, 1, 0, 2, 3, 1}));
  const Tensors parts = Split(z, {2, 1}, 1);
  EXPECT_EQ(parts[0].ToVector(), x.ToVector());
  EXPECT_EQ(parts[1].ToVector(), y.ToVector());
  EXPECT_EQ(Pad(y, 1, 1, 2, -3).ToVector(), Values({-3, 0, -3, -3, -3, 1, -3, -3}));
  EXPECT_DEATH(Concat({x, Counted({2, 2})}, 0), "i32 \\[2,2\\] and f32 \\[2,2\\]");
  EXPECT_DEATH(Concat({}, 0), "\\[concat\\]");
}

TEST(Index, GatherAndOneHot) {
  const Tensor table = Counted({4, 2}, DType::kBf16),
               ids = Tensor::FromVector({3}, {3, 0, 3}, DType::kI64);
  EXPECT_EQ(Gather(table, ids).ToVector(), Values({6, 7, 0, 1, 6, 7}));
  EXPECT_EQ(OneHot(ids, 4, DType::kF64).ToVector(), Values({0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(OneHot(Tensor::Full({0}, 0, DType::kI32), 2, DType::kI32).shape(), Shape({0, 2}));
}

TEST(Index, IdOutOfRange) {
  const Tensor table = Counted({4, 2});
  EXPECT_DEATH(Gather(table, Tensor::FromVector({3}, {1, 4, 9}, DType::kI32)),
               "\\[gather\\].*id 4 at place 1 of i32 \\[3\\] is no row of \\[4,2\\]");
  EXPECT_DEATH(OneHot(Tensor::FromVector({}, {-1}, DType::kI32), 4, DType::kF32),
               "\\[one_hot\\].*id -1");
}

}  // namespace
}  // namespace palimpsest
