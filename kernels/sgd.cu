#include "kernels/sgd.h"
#include "kernels/update_launch.h"

namespace palimpsest {
namespace {

struct Sgd {
  static constexpr int kState = 1;
  Scalar lr;
  double keep, write, first_write, weight_decay;
  bool remembers, lookahead;

  template <typename N>
  struct Constants {
    N grad_scale, lr, keep, write, weight_decay;
    bool remembers, lookahead;
  };

  template <typename N>
  __device__ Constants<N> Prepare(const device::Now& now) const {
    return {.grad_scale = N(now.grad_scale),
            .lr = N(device::ValueOf(lr)),
            .keep = N(keep),
            .write = N(now.steps == 1.0 ? first_write : write),
            .weight_decay = N(weight_decay),
            .remembers = remembers,
            .lookahead = lookahead};
  }

  template <typename N>
  __device__ static void Apply(const Constants<N>& c, N& param, N grad, N (&state)[1]) {
    const N g = c.grad_scale * grad + c.weight_decay * param;
    N u = g;
    if (c.remembers) {
      N& m = state[0];
      m = c.keep * m + c.write * g;
      u = c.lookahead ? c.keep * m + c.write * g : m;
    }
    param = param - c.lr * u;
  }
};

void SgdCuda(absl::Span<const SgdArgs> all) {
  std::vector<UpdateOf<Sgd>> rows;
  for (const SgdArgs& a : all)
    rows.push_back(MakeRow(
        a.update, {a.m}, {a.m_out},
        Sgd{a.lr, a.keep, a.write, a.first_write, a.weight_decay, a.m != nullptr, a.lookahead}));
  LaunchUpdates(rows);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(sgd, SgdCuda);

}  // namespace
}  // namespace palimpsest
