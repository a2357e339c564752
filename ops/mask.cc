#include "ops/mask.h"

namespace palimpsest {

Tensor BandMask(int64_t rows, int64_t columns, int64_t first, int64_t last, Device device) {
  Tensor mask = Tensor::Empty({rows, columns}, DType::kI32);
  int32_t* at = mask.mutable_data<int32_t>();
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) *at++ = first <= j - i && j - i <= last;
  }
  return CopyTo(mask, device);
}

}  // namespace palimpsest
