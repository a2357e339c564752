#include "kernels/ema.h"
#include "kernels/update_launch.h"

namespace palimpsest {
namespace {

// The memory stands for the parameter; what is read out is a state that is only written.
struct Ema {
  static constexpr int kState = 1;
  Scalar keep, write, writes;
  double grad_scale;
  bool lookahead, corrected;

  template <typename N>
  struct Constants {
    N keep, write, grad_scale, read_scale;
    bool lookahead;
  };

  template <typename N>
  __device__ Constants<N> Prepare(const device::Now&) const {
    const double kept = device::ValueOf(keep);
    const double read_scale = corrected ? 1.0 / (1.0 - pow(kept, device::ValueOf(writes))) : 1.0;
    return {N(kept), N(device::ValueOf(write)), N(grad_scale), N(read_scale), lookahead};
  }

  template <typename N>
  __device__ static void Apply(const Constants<N>& c, N& m, N grad, N (&read)[1]) {
    const N g = c.grad_scale * grad;
    m = c.keep * m + c.write * g;
    read[0] = c.read_scale * (c.lookahead ? c.keep * m + c.write * g : m);
  }
};

void EmaCuda(const EmaArgs& a) {
  const ParamUpdate update{
      .dtype = a.dtype, .size = a.size, .param = a.m, .grad = a.grad, .param_out = a.m_out};
  const Ema rule{a.keep, a.write, a.writes, a.grad_scale, a.lookahead, a.corrected};
  LaunchUpdates<Ema>({MakeRow(update, {nullptr}, {a.read}, rule)});
}

PALIMPSEST_REGISTER_CUDA_KERNEL(ema, EmaCuda);

}  // namespace
}  // namespace palimpsest
