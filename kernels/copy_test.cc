#include "kernels/copy.h"

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "core/parallel.h"
#include "gtest/gtest.h"
#include "kernels/device_testing.h"

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

// What the copy makes of `to` on a device.
template <typename T>
std::vector<T> CopiedOn(Device device, CopyArgs args, const std::vector<T>& from,
                        std::vector<T> to) {
  const auto there = [device](const std::vector<T>& x) {
    const auto bytes = static_cast<int64_t>(x.size() * sizeof(T));
    Tensor words = Tensor::Empty({bytes / 8 + 1}, DType::kI64);
    if (bytes > 0) std::memcpy(words.mutable_raw(), x.data(), bytes);
    return CopyTo(words, device);
  };
  const Tensor in = there(from);
  Tensor out = there(to);
  args.from = in.raw(), args.to = out.mutable_raw();
  copy(device, args);
  if (!to.empty()) std::memcpy(to.data(), CopyTo(out, Device::kCpu).raw(), to.size() * sizeof(T));
  return to;
}

class CopyTest : public DeviceTest {
 protected:
  template <typename T>
  static void Check(const Shape& shape, const std::vector<int>& order, int64_t gap, bool repeat);
  template <typename T>
  static void CheckAll();
};

// Axes of `shape` in the order `order`, into a tensor `gap` wider along the last axis; `repeat`
// reads one place of the first axis only.
template <typename T>
void CopyTest::Check(const Shape& shape, const std::vector<int>& order, int64_t gap, bool repeat) {
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
  const std::vector<T> to = expected;
  CopySlowly(args, 0, from.data(), expected.data());
  EXPECT_EQ(CopiedOn(GetParam(), args, from, to), expected)
      << sizeof(T) << " bytes, " << shape << ", gap " << gap << ", repeat " << repeat;
}

template <typename T>
void CopyTest::CheckAll() {
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

TEST_P(CopyTest, AnyOrderOfAxesAnyElement) {
  CheckAll<int8_t>();
  CheckAll<int16_t>();
  CheckAll<int32_t>();
  CheckAll<int64_t>();
}

TEST_P(CopyTest, OnThreads) {
  SetNumThreads(3);
  CheckAll<int32_t>();
  Check<int64_t>({1 << 18}, {0}, 0, false);
  Check<int16_t>({3, 1 << 16}, {0, 1}, 1, false);
}

TEST_P(CopyTest, Scalar) {
  EXPECT_EQ(CopiedOn<int32_t>(GetParam(), {.element = 4}, {5}, {0}), std::vector<int32_t>{5});
}

// The grid strides over the units there are no blocks for.
TEST_P(CopyTest, MoreThanTheGridHasThreads) { Check<int16_t>({3, 1 << 20}, {0, 1}, 1, false); }

// A transposition whose outer axes are more than one.
TEST_P(CopyTest, FourAxes) { Check<int32_t>({2, 40, 3, 37}, {2, 0, 3, 1}, 0, false); }

PALIMPSEST_ON_EACH_DEVICE(CopyTest);

}  // namespace
}  // namespace palimpsest
