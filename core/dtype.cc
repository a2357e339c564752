#include "core/dtype.h"

namespace palimpsest {

size_t SizeOf(DType dtype) {
  return DispatchAny(dtype, []<typename T>() { return sizeof(T); });
}

const char* NameOf(DType dtype) {
  switch (dtype) {
    case DType::kF64: return "f64";
    case DType::kF32: return "f32";
    case DType::kBf16: return "bf16";
    case DType::kI32: return "i32";
    case DType::kI64: return "i64";
  }
  return "?";
}

std::ostream& operator<<(std::ostream& os, DType dtype) { return os << NameOf(dtype); }

}  // namespace palimpsest
