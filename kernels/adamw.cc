#include "kernels/adamw.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace palimpsest {

constinit Kernel<void(const AdamWArgs&)> adamw("adamw");

namespace {

// Parts are made of whole blocks, so that an element is at the same place of its loop for any
// number of threads.
constexpr int64_t kBlock = 4096;

template <typename T>
struct Coefficients {
  T grad_scale, keep_m, write_m, keep_v, write_v, keep_param, step, root_scale, eps;

  explicit Coefficients(const AdamWArgs& args)
      : grad_scale(static_cast<T>(args.grad_scale)),
        keep_m(static_cast<T>(args.beta1)),
        write_m(static_cast<T>(1.0 - args.beta1)),
        keep_v(static_cast<T>(args.beta2)),
        write_v(static_cast<T>(1.0 - args.beta2)),
        keep_param(static_cast<T>(1.0 - args.lr * args.weight_decay)),
        step(static_cast<T>(args.lr / (1.0 - std::pow(args.beta1, args.t)))),
        root_scale(static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(args.beta2, args.t)))),
        eps(static_cast<T>(args.eps)) {}
};

template <typename T>
void UpdateBlock(const AdamWArgs& args, const Coefficients<T>& c, int64_t begin, int64_t size) {
  const T* param = static_cast<const T*>(args.param) + begin;
  const T* grad = static_cast<const T*>(args.grad) + begin;
  const T* m = static_cast<const T*>(args.m) + begin;
  const T* v = static_cast<const T*>(args.v) + begin;
  T* param_out = static_cast<T*>(args.param_out) + begin;
  T* m_out = static_cast<T*>(args.m_out) + begin;
  T* v_out = static_cast<T*>(args.v_out) + begin;
#pragma GCC ivdep
  for (int64_t i = 0; i < size; ++i) {
    const T g = c.grad_scale * grad[i];
    const T mi = c.keep_m * m[i] + c.write_m * g;
    const T vi = c.keep_v * v[i] + c.write_v * (g * g);
    param_out[i] = c.keep_param * param[i] - c.step * mi / (c.root_scale * std::sqrt(vi) + c.eps);
    m_out[i] = mi;
    v_out[i] = vi;
  }
}

template <typename T>
void Update(const AdamWArgs& args) {
  const Coefficients<T> c(args);
  const int64_t blocks = (args.size + kBlock - 1) / kBlock;
  ParallelFor(blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      UpdateBlock(args, c, b * kBlock, std::min(kBlock, args.size - b * kBlock));
    }
  });
}

void AdamWCpu(const AdamWArgs& args) {
  PALIMPSEST_CHECK(args.dtype == DType::kF64 || args.dtype == DType::kF32) << args.dtype;
  if (args.dtype == DType::kF64) {
    Update<double>(args);
  } else {
    Update<float>(args);
  }
}

PALIMPSEST_REGISTER_KERNEL(adamw, kCpu, AdamWCpu);

}  // namespace
}  // namespace palimpsest
