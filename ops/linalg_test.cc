#include "ops/linalg.h"

#include <utility>
#include <vector>

#include "core/random.h"
#include "core/tape.h"
#include "gtest/gtest.h"
#include "kernels/device_testing.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "ops/layout.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

class GramTest : public DeviceTest {};
PALIMPSEST_ON_EACH_DEVICE(GramTest);

// The definition, and the same bits on both sides of the diagonal.
TEST_P(GramTest, IsTheProductWithTheTranspose) {
  const Shape shapes[] = {{3, 4}, {70, 33}, {2, 3, 65, 100}, {2, 130, 5},
                          {0, 3}, {3, 0},   {0, 2, 2}};
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    for (const Shape& shape : shapes) {
      const Tensor x = CopyTo(RandomNormal(shape, RandomStream(1, "gram"), dtype), GetParam());
      for (const bool of_columns : {false, true}) {
        const Tensor gram = Gram(x, of_columns);
        const Tensor product = MatMul(x, x, {of_columns, !of_columns});
        EXPECT_LE(Distance(gram, product), dtype == DType::kBf16 ? 4e-3 : 1e-6) << x;
        const int rank = x.rank();
        std::vector<int> order;
        for (int i = 0; i < rank; ++i) order.push_back(i);
        std::swap(order[rank - 1], order[rank - 2]);
        EXPECT_TRUE(SameBits(gram, Permute(gram, order))) << x;
      }
    }
  }
}

// Calls of the kernels while alive.
struct Calls {
  Calls()
      : gemm_before(gemm.Exchange(Device::kCpu, Gemm)),
        binary_before(binary.Exchange(Device::kCpu, Binary)) {
    now = this;
  }
  ~Calls() {
    gemm.Exchange(Device::kCpu, gemm_before);
    binary.Exchange(Device::kCpu, binary_before);
  }
  static void Gemm(const GemmArgs& g) {
    ++now->products;
    now->adding += g.add != nullptr, now->in_place += g.add != nullptr && g.add == g.c.data;
    now->gemm_before(g);
  }
  static void Binary(const BinaryArgs& args) {
    ++now->binaries;
    now->binary_before(args);
  }
  static inline Calls* now = nullptr;
  void (*gemm_before)(const GemmArgs&);
  void (*binary_before)(const BinaryArgs&);
  int products = 0, adding = 0, in_place = 0, binaries = 0;
};

// As queries, keys and values of one x; one weight twice.
TEST(MatMul, GradientsOfWhatIsSharedAreSummedByTheProducts) {
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    const auto normal = [&](const Shape& shape, const char* name) {
      return RandomNormal(shape, RandomStream(1, name), dtype);
    };
    const Tensor x = normal({2, 9, 20}, "x"), w = normal({30, 20}, "w"), u = normal({30, 20}, "u");
    const Tensors dys = {normal({2, 9, 30}, "1"), normal({2, 9, 30}, "2"), normal({2, 9, 30}, "3")};
    const auto gradients = [&] {
      Tape tape;
      tape.Watch({x, w, u});
      const auto project = [&](const Tensor& weight) { return MatMul(x, weight, {.b = true}); };
      return tape.Gradient({project(w), project(u), project(w)}, {x, w, u}, dys);
    };
    Tensors got, want;
    {
      const Calls calls;
      got = gradients();
      EXPECT_EQ(calls.products, 3 + 6);
      EXPECT_EQ(calls.adding, 2 + 1);
      EXPECT_EQ(calls.in_place, calls.adding);
      EXPECT_EQ(calls.binaries, 0);
    }
    {
      const ComposedScope composed;
      const Calls calls;
      want = gradients();
      EXPECT_EQ(calls.adding, 0);
      EXPECT_EQ(calls.binaries, 3);
    }
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_LE(Distance(got[i], want[i]), dtype == DType::kBf16 ? 8e-3 : 1e-6) << dtype << i;
  }
}

}  // namespace
}  // namespace palimpsest
