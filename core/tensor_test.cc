#include "core/tensor.h"

#include <cmath>
#include <limits>
#include <vector>

#include "core/allocator.h"
#include "core/parallel.h"
#include "core/shape_only.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

using Values = std::vector<double>;

TEST(ShapeTest, ElementsAndText) {
  EXPECT_EQ(NumElements({}), 1);
  EXPECT_EQ(NumElements({2, 3, 4}), 24);
  EXPECT_EQ(NumElements({2, 0, 4}), 0);
  EXPECT_EQ(ToString({}), "[]");
  EXPECT_EQ(ToString({2, 0}), "[2,0]");
}

TEST(ShapeTest, Broadcast) {
  EXPECT_EQ(Broadcast({2, 3}, {3}), (Shape{2, 3}));
  EXPECT_EQ(Broadcast({2, 1, 4}, {3, 1}), (Shape{2, 3, 4}));
  EXPECT_EQ(Broadcast({}, {5}), (Shape{5}));
  EXPECT_EQ(Broadcast({0, 3}, {1, 3}), (Shape{0, 3}));
  EXPECT_EQ(Broadcast({1}, {0}), (Shape{0}));
}

TEST(ShapeTest, NegativeAxesCountFromTheBack) {
  EXPECT_EQ(NormalizeAxis(-1, 3), 2);
  EXPECT_EQ(NormalizeAxis(0, 3), 0);
}

TEST(Bf16Test, RoundsToNearestEven) {
  const auto round = [](auto v) { return static_cast<double>(Bf16(v)); };
  EXPECT_EQ(round(1.0f), 1.0);
  EXPECT_EQ(round(1.0f + 0x1p-8f), 1.0) << "tie to even";
  EXPECT_EQ(round(1.0f + 0x3p-8f), 1.0 + 0x1p-6) << "tie to even";
  EXPECT_EQ(round(1.0f + 0x1p-8f + 0x1p-20f), 1.0 + 0x1p-7);
  EXPECT_EQ(round(-1.0f - 0x1p-8f - 0x1p-20f), -1.0 - 0x1p-7);
  EXPECT_EQ(round(std::numeric_limits<float>::max()), INFINITY);
  EXPECT_EQ(round(-INFINITY), -INFINITY);
  EXPECT_TRUE(std::signbit(round(-0.0f)));
}

TEST(Bf16Test, NanStaysNan) {
  EXPECT_TRUE(std::isnan(static_cast<float>(Bf16(std::numeric_limits<float>::quiet_NaN()))));
  // Its payload is all in the bits that are dropped.
  EXPECT_TRUE(std::isnan(static_cast<float>(Bf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(static_cast<double>(Bf16(-std::numeric_limits<double>::quiet_NaN()))));
}

TEST(Bf16Test, RoundsF64Once) {
  const auto round = [](double v) { return static_cast<double>(Bf16(v)); };
  // By way of f32 this would become a tie.
  EXPECT_EQ(round(1.0 + 0x1p-8 + 0x1p-40), 1.0 + 0x1p-7);
  EXPECT_EQ(round(-1.0 - 0x1p-8 - 0x1p-40), -1.0 - 0x1p-7);
  EXPECT_EQ(round(1.0 + 0x3p-8 - 0x1p-40), 1.0 + 0x1p-7);
  EXPECT_EQ(round(1.0 + 0x1p-8), 1.0);
  EXPECT_EQ(round(1e300), INFINITY);
  EXPECT_EQ(round(1e-300), 0.0);
}

TEST(DTypeTest, SizesAndNames) {
  EXPECT_EQ(SizeOf(DType::kBf16), 2u);
  EXPECT_EQ(SizeOf(DType::kI64), 8u);
  EXPECT_STREQ(NameOf(DType::kF32), "f32");
  EXPECT_TRUE(IsFloat(DType::kBf16));
  EXPECT_FALSE(IsFloat(DType::kI32));
}

TEST(TensorTest, ConvertsValues) {
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16, DType::kI32, DType::kI64}) {
    const Tensor x = Tensor::FromVector({2, 2}, {1, -2, 3, 100}, dtype);
    EXPECT_EQ(x.ToVector(), (Values{1, -2, 3, 100})) << dtype;
    EXPECT_EQ(x.bytes(), 4 * static_cast<int64_t>(SizeOf(dtype)));
    EXPECT_EQ(Tensor::Full({}, 7, dtype).Item(), 7) << dtype;
  }
  EXPECT_EQ(Tensor::From<int32_t>({2}, {4, 5}).ToVector(), (Values{4, 5}));
}

TEST(TensorTest, EmptyTensorsAreTensors) {
  const Tensor x = Tensor::Full({0, 3}, 1, DType::kF32);
  EXPECT_TRUE(x);
  EXPECT_EQ(x.size(), 0);
  EXPECT_TRUE(x.ToVector().empty());
  EXPECT_EQ(x.Rows(0, 0).shape(), (Shape{0, 3}));
  EXPECT_FALSE(Tensor());
}

TEST(TensorTest, ViewsShareTheBufferUnderNewIds) {
  const Tensor x = Tensor::FromVector({3, 2}, {1, 2, 3, 4, 5, 6}, DType::kF32);
  const Tensor flat = x.WithShape({6}), rows = x.Rows(1, 3), detached = x.Detach();
  EXPECT_EQ(flat.raw(), x.raw());
  EXPECT_EQ(rows.ToVector(), (Values{3, 4, 5, 6}));
  EXPECT_EQ(rows.data<float>(), x.data<float>() + 2);
  EXPECT_NE(detached.id(), x.id());
  EXPECT_NE(rows.id(), x.id());
  EXPECT_EQ(CopyTo(x, Device::kCpu).id(), x.id());
}

TEST(TensorTest, UniqueMeansNoOtherHolder) {
  Tensor x = Tensor::Full({4}, 1, DType::kF32);
  EXPECT_TRUE(x.Unique());
  {
    const Tensor copy = x;
    EXPECT_FALSE(x.Unique());
  }
  EXPECT_TRUE(x.Unique());
  const Tensor view = x.Rows(0, 1);
  EXPECT_FALSE(x.Unique());
  EXPECT_FALSE(view.Unique());
}

class TensorDeathTest : public testing::Test {
 protected:
  TensorDeathTest() { SetNumThreads(1); }
  const Tensor x_ = Tensor::Full({2, 3}, 1, DType::kF32);
};

TEST_F(TensorDeathTest, MistakesShowShapesAndTypes) {
  EXPECT_DEATH(x_.WithShape({4}), "\\[2,3\\] to \\[4\\]");
  EXPECT_DEATH(x_.Rows(1, 3), "rows 1 to 3 of \\[2,3\\]");
  EXPECT_DEATH(x_.data<double>(), "a tensor of f32 read as f64");
  EXPECT_DEATH(x_.Item(), "one element wanted of \\[2,3\\]");
  EXPECT_DEATH(x_.dim(2), "axis 2 of a tensor of rank 2");
  EXPECT_DEATH(Tensor::FromVector({2}, {1, 2, 3}, DType::kF32), "\\[2\\] from 3");
  EXPECT_DEATH(Broadcast({2, 3}, {2}), "\\[2,3\\] and \\[2\\] do not broadcast");
  EXPECT_DEATH(NumElements({2, -1}), "bad shape \\[2,-1\\]");
  EXPECT_DEATH(NumElements({int64_t{1} << 40, int64_t{1} << 40}), "bad shape");
}

TEST(ShapeOnlyTest, IsOfAnySizeAndTakesNoMemory) {
  const int64_t before = Allocator::Of(Device::kCpu).stats().live_bytes;
  const Tensor x = ShapeOnly({int64_t{1} << 30, int64_t{1} << 25}, DType::kF32);
  EXPECT_EQ(x.bytes(), int64_t{1} << 57);
  EXPECT_EQ(x.raw(), nullptr);
  EXPECT_EQ(Allocator::Of(Device::kCpu).stats().live_bytes, before);
  EXPECT_NE(Tensor::Full({2}, 0, DType::kF32).raw(), nullptr);
}

}  // namespace
}  // namespace palimpsest
