// Convolution, and the kernels of a stream of several channels, on each device, against the CPU's
// in f64.
#include "kernels/causal_conv1d.h"
#include "kernels/channel_sum.h"
#include "kernels/delta_residual.h"
#include "kernels/device_testing.h"

namespace palimpsest {
namespace {

class DenseStreamTest : public DeviceTest {};

struct ConvCase {
  int64_t batch, time, channels, width;
  bool bias, before;
};

TEST_P(DenseStreamTest, CausalConv1d) {
  for (const ConvCase& c : {ConvCase{0, 3, 2, 4, true, true}, ConvCase{2, 0, 8, 3, true, true},
                            ConvCase{1, 1, 1, 1, false, false}, ConvCase{2, 70, 5, 4, true, false},
                            ConvCase{3, 101, 64, 4, true, true}, ConvCase{1, 3, 8, 7, false, true},
                            ConvCase{2, 6, 300, 2, false, false}}) {
    const Shape shape{c.batch, c.time, c.channels}, before{c.batch, c.width - 1, c.channels};
    ExpectAsInF64("causal_conv1d " + ToString({c.batch, c.time, c.channels, c.width}), GetParam(),
                  {Normals(shape, 1), Normals({c.channels, c.width}, 2), Normals({c.channels}, 3),
                   Normals(before, 4), Normals(shape, 5)},
                  [&](const Tensors& in) -> Tensors {
                    Tensor y = EmptyAs(in[0]), dx = EmptyAs(in[0]), dweight = EmptyAs(in[1]),
                           dbias = EmptyAs(in[2]), dbefore = EmptyAs(in[3]);
                    CausalConv1dArgs args{.batch = c.batch,
                                          .time = c.time,
                                          .channels = c.channels,
                                          .width = c.width,
                                          .dtype = y.dtype(),
                                          .x = in[0].raw(),
                                          .weight = in[1].raw(),
                                          .bias = c.bias ? in[2].raw() : nullptr,
                                          .before = c.before ? in[3].raw() : nullptr,
                                          .y = y.mutable_raw()};
                    causal_conv1d(y.device(), args);
                    causal_conv1d_vjp(y.device(),
                                      {.forward = args,
                                       .dy = in[4].raw(),
                                       .dx = dx.mutable_raw(),
                                       .dweight = dweight.mutable_raw(),
                                       .dbias = c.bias ? dbias.mutable_raw() : nullptr,
                                       .dbefore = c.before ? dbefore.mutable_raw() : nullptr});
                    Tensors results{y, dx, dweight};
                    if (c.bias) results.push_back(dbias);
                    if (c.before) results.push_back(dbefore);
                    return results;
                  },
                  {.tolerance = 20.0});
  }
}

const Shape kStreams[] = {{0, 2, 8}, {1, 1, 1}, {70, 4, 33}, {130, 3, 64}, {5, 2, 1100}};

TEST_P(DenseStreamTest, ChannelSum) {
  for (const Shape& s : kStreams) {
    ExpectAsInF64(
        "channel_sum " + ToString(s), GetParam(),
        {Normals(s, 1), Normals({s[1], s[2]}, 2), Normals({s[0], s[2]}, 3)},
        [&](const Tensors& in) -> Tensors {
          Tensor y = EmptyAs(in[2]), dx = EmptyAs(in[0]), dweight = EmptyAs(in[1]);
          const ChannelSumArgs args{y.dtype(),   s[0],        s[1],           s[2],
                                    in[0].raw(), in[1].raw(), y.mutable_raw()};
          channel_sum(y.device(), args);
          channel_sum_vjp(y.device(), {args, in[2].raw(), dx.mutable_raw(), dweight.mutable_raw()});
          return {y, dx, dweight};
        },
        {.tolerance = 20.0});
  }
}

TEST_P(DenseStreamTest, DeltaResidual) {
  for (const Shape& s : kStreams) {
    for (const bool erase : {false, true}) {
      ExpectAsInF64("delta_residual " + ToString(s), GetParam(),
                    {Normals(s, 1), Normals({s[0], s[2]}, 2), Normals({s[0]}, 3),
                     Normals({s[0], s[1]}, 4), Normals(s, 5)},
                    [&](const Tensors& in) -> Tensors {
                      Tensor y = EmptyAs(in[0]), dstream = EmptyAs(in[0]),
                             ddirection = EmptyAs(in[1]), dbeta = EmptyAs(in[2]),
                             dv = EmptyAs(in[3]);
                      const DeltaResidualArgs args{
                          erase,       0.1,         y.dtype(),   s[0],        s[1],           s[2],
                          in[0].raw(), in[1].raw(), in[2].raw(), in[3].raw(), y.mutable_raw()};
                      delta_residual(y.device(), args);
                      delta_residual_vjp(y.device(), {args, in[4].raw(), dstream.mutable_raw(),
                                                      ddirection.mutable_raw(), dbeta.mutable_raw(),
                                                      dv.mutable_raw()});
                      return {y, dstream, ddirection, dbeta, dv};
                    },
                    {.tolerance = 20.0, .wide = {2, 3}});
    }
  }
}

PALIMPSEST_ON_EACH_DEVICE(DenseStreamTest);

}  // namespace
}  // namespace palimpsest
