#include "ops/mask.h"

#include "kernels/band_mask.h"

namespace palimpsest {

Tensor BandMask(int64_t rows, int64_t columns, int64_t first, int64_t last, Device device) {
  Tensor mask = Tensor::Empty({rows, columns}, DType::kI32, device);
  band_mask(device, {rows, columns, first, last, mask.mutable_data<int32_t>()});
  return mask;
}

}  // namespace palimpsest
