#ifndef CORE_DTYPE_H_
#define CORE_DTYPE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <utility>

#include "core/check.h"

namespace palimpsest {

// f64 is the reference (CPU only), f32 the working type, bf16 storage; i32 holds tokens and masks.
enum class DType : uint8_t { kF64, kF32, kBf16, kI32, kI64 };

// Brain float: the upper half of an f32. Conversion rounds to nearest even; NaN stays NaN.
struct Bf16 {
  uint16_t bits = 0;

  Bf16() = default;
  explicit Bf16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = static_cast<uint16_t>(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  explicit Bf16(double value) : Bf16(RoundToOdd(value)) {}
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
  explicit operator double() const { return static_cast<float>(*this); }

 private:
  // To f32 with the last bit set if inexact, so that rounding once more is as rounding once.
  static float RoundToOdd(double value) {
    const float f = static_cast<float>(value);
    const uint32_t u = std::bit_cast<uint32_t>(f);
    if (f == value || f != f || (u & 1u) != 0) return f;
    return std::bit_cast<float>(u + ((f < value) == (value > 0) ? 1u : ~0u));
  }
};

size_t SizeOf(DType dtype);       // bytes an element
const char* NameOf(DType dtype);  // "f32"
std::ostream& operator<<(std::ostream& os, DType dtype);

constexpr bool IsFloat(DType dtype) { return dtype <= DType::kBf16; }

template <typename T>
inline constexpr DType kDTypeOf = [] {
  static_assert(sizeof(T) == 0, "not an element type");
  return DType::kF32;
}();
template <>
inline constexpr DType kDTypeOf<double> = DType::kF64;
template <>
inline constexpr DType kDTypeOf<float> = DType::kF32;
template <>
inline constexpr DType kDTypeOf<Bf16> = DType::kBf16;
template <>
inline constexpr DType kDTypeOf<int32_t> = DType::kI32;
template <>
inline constexpr DType kDTypeOf<int64_t> = DType::kI64;

// What kernels accumulate in: f64 for f64, f32 for f32 and bf16.
template <typename T>
struct AccumulatorOf {
  using type = T;
};
template <>
struct AccumulatorOf<Bf16> {
  using type = float;
};
template <typename T>
using Accumulator = typename AccumulatorOf<T>::type;

// Calls f.operator()<T>() for the element type; once, at the entry of a kernel.
template <typename F>
decltype(auto) DispatchFloat(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kF64: return std::forward<F>(f).template operator()<double>();
    case DType::kBf16: return std::forward<F>(f).template operator()<Bf16>();
    default: break;
  }
  PALIMPSEST_CHECK(dtype == DType::kF32) << "needs a float dtype, got " << dtype;
  return std::forward<F>(f).template operator()<float>();
}

template <typename F>
decltype(auto) DispatchInt(DType dtype, F&& f) {
  if (dtype == DType::kI64) return std::forward<F>(f).template operator()<int64_t>();
  PALIMPSEST_CHECK(dtype == DType::kI32) << "needs an integer dtype, got " << dtype;
  return std::forward<F>(f).template operator()<int32_t>();
}

template <typename F>
decltype(auto) DispatchAny(DType dtype, F&& f) {
  return IsFloat(dtype) ? DispatchFloat(dtype, std::forward<F>(f))
                        : DispatchInt(dtype, std::forward<F>(f));
}

}  // namespace palimpsest

#endif  // CORE_DTYPE_H_
