#include "ops/linalg.h"

#include <utility>
#include <vector>

#include "core/random.h"
#include "gtest/gtest.h"
#include "ops/layout.h"
#include "tests/gradcheck.h"

namespace palimpsest {
namespace {

// The definition, and the same bits on both sides of the diagonal.
TEST(Gram, IsTheProductWithTheTranspose) {
  const Shape shapes[] = {{3, 4}, {70, 33}, {2, 3, 65, 100}, {2, 130, 5},
                          {0, 3}, {3, 0},   {0, 2, 2}};
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBf16}) {
    for (const Shape& shape : shapes) {
      const Tensor x = RandomNormal(shape, RandomStream(1, "gram"), dtype);
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

}  // namespace
}  // namespace palimpsest
