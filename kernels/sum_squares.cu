#include "kernels/sum_squares.h"
#include "kernels/update_launch.h"

namespace palimpsest {
namespace {

// Of gradients without parameters.
struct SumSquares {
  static constexpr int kState = 1, kSums = 1;

  template <typename N>
  struct Constants {};
  template <typename N>
  __device__ Constants<N> Prepare(const device::Now&) const {
    return {};
  }

  template <typename N>
  __device__ static void Add(const Constants<N>&, N, N x, N (&)[1], bool, double (&sums)[1]) {
    sums[0] += static_cast<double>(x) * x;
  }
  __device__ void Result(const double (&sums)[1], double* to) const { *to = sums[0]; }
};

void SumSquaresCuda(absl::Span<const SumSquaresArgs> all, double* sums) {
  std::vector<UpdateOf<SumSquares>> rows;
  for (const SumSquaresArgs& a : all) {
    const ParamUpdate update{
        .dtype = a.dtype, .size = a.size, .param = nullptr, .grad = a.x, .param_out = nullptr};
    rows.push_back(MakeRow(update, {nullptr}, {nullptr}, SumSquares()));
    rows.back().row.tensors.sums = sums++;
  }
  LaunchSums(rows);
}

PALIMPSEST_REGISTER_CUDA_KERNEL(sum_squares, SumSquaresCuda);

}  // namespace
}  // namespace palimpsest
