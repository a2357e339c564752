#ifndef KERNELS_UPDATE_BLOCKS_H_
#define KERNELS_UPDATE_BLOCKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/blocks.h"
#include "kernels/update.h"

// Updates of a parameter on the CPU.
namespace palimpsest {

// Calls f.operator()<T, G>(): the types of a parameter with its state, and of its gradient.
template <typename F>
decltype(auto) DispatchUpdate(DType dtype, F&& f) {
  PALIMPSEST_CHECK(IsFloat(dtype)) << "a float, not " << dtype;
  switch (dtype) {
    case DType::kF64: return std::forward<F>(f).template operator()<double, double>();
    case DType::kF32: return std::forward<F>(f).template operator()<float, float>();
    default: return std::forward<F>(f).template operator()<float, Bf16>();
  }
}

template <size_t kCount>
using Inputs = std::array<const void*, kCount>;
template <size_t kCount>
using Outputs = std::array<void*, kCount>;

// param_out, out[0], ... = f(param, grad, in[0], ...), an array of Number<T>; the state that out[k]
// takes the place of is in[k].
template <typename T, typename G, size_t kIn, size_t kOut, typename F>
void MapElements(const ParamUpdate& u, const Inputs<kIn>& in, const Outputs<kOut>& out, F f) {
  const auto map = [&]<size_t... kIs, size_t... kOs>(std::index_sequence<kIs...>,
                                                     std::index_sequence<kOs...>) {
    ForBlocks(u.size, [&](int64_t begin, int64_t count) {
      const T* const param = At<T>(u.param, begin);
      const G* const grad = At<G>(u.grad, begin);
      T* const param_out = At<T>(u.param_out, begin);
      [[maybe_unused]] G* const low = u.low_out == nullptr ? nullptr : At<G>(u.low_out, begin);
      const std::array<const T*, kIn> x = {At<T>(in[kIs], begin)...};
      const std::array<T*, kOut> y = {At<T>(out[kOs], begin)...};
      ForVectors<T>(count, [=](int64_t i, auto... n) {
        const std::array<Number<T>, kOut + 1> results =
            f(Load(param + i, n...), Load(grad + i, n...), Load(x[kIs] + i, n...)...);
        Store(results[0], param_out + i, n...);
        if constexpr (!std::is_same_v<T, G>) {
          if (low != nullptr) Store(results[0], low + i, n...);
        }
        (Store(results[kOs + 1], y[kOs] + i, n...), ...);
      });
    });
  };
  map(std::make_index_sequence<kIn>(), std::make_index_sequence<kOut>());
}

// The same, and nothing changes where the update is skipped.
template <typename T, typename G, size_t kIn, size_t kOut, typename F>
void MapUpdate(const ParamUpdate& u, const Inputs<kIn>& in, const Outputs<kOut>& out, F f) {
  static_assert(kOut <= kIn);
  if (!Skips(u)) return MapElements<T, G>(u, in, out, f);
  MapElements<T, G>(u, in, out, [](Number<T> param, Number<T>, auto... states) {
    std::array<Number<T>, sizeof...(states) + 1> all = {param, states...};
    std::array<Number<T>, kOut + 1> kept;
    std::copy_n(all.begin(), kOut + 1, kept.begin());
    return kept;
  });
}

// One element after another, in f64: f(param, g, in), an array, for g the gradient as scaled.
template <typename T, typename G, size_t kIn, size_t kOut, typename F>
void MapUpdateReference(const ParamUpdate& u, const Inputs<kIn>& in, const Outputs<kOut>& out,
                        F f) {
  for (int64_t i = 0; i < u.size; ++i) {
    std::array<double, kIn> x;
    for (size_t k = 0; k < kIn; ++k) x[k] = ValueAt<T>(in[k], i);
    const double param = ValueAt<T>(u.param, i), g = GradScale(u) * ValueAt<G>(u.grad, i);
    std::array<double, kOut + 1> y = {param};
    std::copy_n(x.begin(), kOut, y.begin() + 1);
    if (!Skips(u)) y = f(param, g, x);
    SetValue<T>(u.param_out, i, y[0]);
    if (u.low_out != nullptr) SetValue<G>(u.low_out, i, ValueAt<T>(u.param_out, i));
    for (size_t k = 0; k < kOut; ++k) SetValue<T>(out[k], i, y[k + 1]);
  }
}

}  // namespace palimpsest

#endif  // KERNELS_UPDATE_BLOCKS_H_
