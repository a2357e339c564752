#include "kernels/copy.h"

#include <cstdint>
#include <numeric>
#include <vector>

#include "core/parallel.h"
#include "gtest/gtest.h"

namespace palimpsest {
namespace {

// The definition, one element at a time.
template <typename T>
void CopySlowly(const CopyArgs& args, size_t axis, const T* from, T* to) {
  if (axis == args.extents.size()) {
    *to = *from;
    return;
  }
  for (int64_t i = 0; i < args.extents[axis]; ++i) {
    CopySlowly(args, axis + 1, from + i * args.from_strides[axis], to + i * args.to_strides[axis]);
  }
}

// Axes of `shape` in the order `order`, into a tensor `gap` wider along the last axis; `repeat`
// reads one place of the first axis only.
template <typename T>
void Check(const Shape& shape, const std::vector<int>& order, int64_t gap, bool repeat) {
  CopyArgs args{.element = sizeof(T)};
  const Shape strides = DenseStrides(shape);
  for (int axis : order) {
    args.extents.push_back(shape[axis]);
    args.from_strides.push_back(repeat && axis == 0 ? 0 : strides[axis]);
  }
  Shape wide = args.extents;
  wide.back() += gap;
  args.to_strides = DenseStrides(wide);
  std::vector<T> from(NumElements(shape)), expected(NumElements(wide), T{7});
  std::iota(from.begin(), from.end(), T{1});
  std::vector<T> to = expected;
  CopySlowly(args, 0, from.data(), expected.data());
  args.from = from.data(), args.to = to.data();
  copy(Device::kCpu, args);
  EXPECT_EQ(to, expected) << sizeof(T) << " bytes, " << shape << ", gap " << gap << ", repeat "
                          << repeat;
}

template <typename T>
void CheckAll() {
  for (const Shape& shape : {Shape{2, 3, 4}, Shape{1, 1, 1}, Shape{0, 3, 4}, Shape{17, 5, 33},
                             Shape{40, 1, 70}, Shape{3, 300, 100}, Shape{130, 2, 2}}) {
    for (const std::vector<int>& order :
         {std::vector{0, 1, 2}, std::vector{0, 2, 1}, std::vector{1, 0, 2}, std::vector{1, 2, 0},
          std::vector{2, 0, 1}, std::vector{2, 1, 0}}) {
      for (int64_t gap : {0, 3}) {
        Check<T>(shape, order, gap, false);
        Check<T>(shape, order, gap, true);
      }
    }
  }
}

TEST(Copy, AnyOrderOfAxesAnyElement) {
  CheckAll<int8_t>();
  CheckAll<int16_t>();
  CheckAll<int32_t>();
  CheckAll<int64_t>();
}

TEST(Copy, OnThreads) {
  SetNumThreads(3);
  CheckAll<int32_t>();
  Check<int64_t>({1 << 18}, {0}, 0, false);
  Check<int16_t>({3, 1 << 16}, {0, 1}, 1, false);
}

TEST(Copy, Scalar) {
  const int32_t from = 5;
  int32_t to = 0;
  copy(Device::kCpu, {.element = 4, .from = &from, .to = &to});
  EXPECT_EQ(to, 5);
}

}  // namespace
}  // namespace palimpsest
