#include "kernels/ema.h"

#include <cmath>

#include "kernels/blocks.h"

namespace palimpsest {

constinit Kernel<void(const EmaArgs&)> ema("ema");

namespace {

double ReadScale(const EmaArgs& args) {
  return args.corrected ? 1.0 / (1.0 - std::pow(args.keep.Value(), args.writes.Value())) : 1.0;
}

template <typename T>
void Update(const EmaArgs& args) {
  using N = Number<T>;
  const N keep(args.keep.Value()), write(args.write.Value()), grad_scale(args.grad_scale),
      read_scale(ReadScale(args));
  const auto written = [=](N m, N grad) { return keep * m + write * (grad_scale * grad); };
  if (args.read == nullptr) {
    MapTensors<T>(args.size, {args.m, args.grad}, {args.m_out},
                  [=](N m, N grad) { return std::array{written(m, grad)}; });
  } else if (args.lookahead) {
    MapTensors<T>(args.size, {args.m, args.grad}, {args.m_out, args.read}, [=](N m, N grad) {
      m = written(m, grad);
      return std::array{m, read_scale * written(m, grad)};
    });
  } else {
    MapTensors<T>(args.size, {args.m, args.grad}, {args.m_out, args.read}, [=](N m, N grad) {
      m = written(m, grad);
      return std::array{m, read_scale * m};
    });
  }
}

void EmaCpu(const EmaArgs& args) {
  DispatchState(args.dtype, [&]<typename T>() { Update<T>(args); });
}

PALIMPSEST_REGISTER_KERNEL(ema, kCpu, EmaCpu);

}  // namespace

void EmaReference(const EmaArgs& args) {
  const double keep = args.keep.Value(), write = args.write.Value();
  DispatchState(args.dtype, [&]<typename T>() {
    for (int64_t i = 0; i < args.size; ++i) {
      const double g = args.grad_scale * ValueAt<T>(args.grad, i);
      const double m = keep * ValueAt<T>(args.m, i) + write * g;
      SetValue<T>(args.m_out, i, m);
      if (args.read == nullptr) continue;
      const double ahead = args.lookahead ? keep * m + write * g : m;
      SetValue<T>(args.read, i, ReadScale(args) * ahead);
    }
  });
}

}  // namespace palimpsest
