#include "kernels/band_mask.h"

namespace palimpsest {

constinit Kernel<void(const BandMaskArgs&)> band_mask("band_mask");

namespace {

void BandMaskCpu(const BandMaskArgs& args) {
  int32_t* at = args.to;
  for (int64_t i = 0; i < args.rows; ++i) {
    for (int64_t j = 0; j < args.columns; ++j) *at++ = args.first <= j - i && j - i <= args.last;
  }
}

PALIMPSEST_REGISTER_KERNEL(band_mask, kCpu, BandMaskCpu);

}  // namespace
}  // namespace palimpsest
