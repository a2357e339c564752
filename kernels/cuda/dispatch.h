#ifndef KERNELS_CUDA_DISPATCH_H_
#define KERNELS_CUDA_DISPATCH_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "core/dtype.h"
#include "core/tensor.h"
#include "kernels/cuda/launch.h"
#include "kernels/device/columns.cuh"
#include "kernels/device/map.cuh"
#include "kernels/device/row.cuh"

// What the launchers of .cu files have in common.
namespace palimpsest {
inline namespace PALIMPSEST_CUDA_FLAVOR {

// The element type on the device.
template <typename T>
using DeviceType = std::conditional_t<std::is_same_v<T, Bf16>, __nv_bfloat16, T>;

template <typename T>
const DeviceType<T>* In(const void* x) {
  return static_cast<const DeviceType<T>*>(x);
}
template <typename T>
DeviceType<T>* Out(void* y) {
  return static_cast<DeviceType<T>*>(y);
}

inline bool Aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }
inline bool Aligned(std::initializer_list<const void*> all) {
  return std::all_of(all.begin(), all.end(), [](const void* p) { return Aligned(p); });
}

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Blocks that stride over so many units of work, a block's each.
inline unsigned BlocksFor(int64_t units) {
  return static_cast<unsigned>(units < device::kMaxBlocks ? units : device::kMaxBlocks);
}

// Device memory of `n` elements for kernels launched while it lives.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t n)
      : tensor_(Tensor::Empty({n}, kDTypeOf<T>, Device::PALIMPSEST_CUDA_DEVICE)) {}
  T* data() { return tensor_.template mutable_data<T>(); }

 private:
  Tensor tensor_;
};

// Calls f.operator()<kPack>(): elements T of the device in packs of 16 bytes where rows of n at
// these addresses (or null) allow it; f64, the reference, one by one.
template <typename T, typename F>
void DispatchPack(int64_t n, std::initializer_list<const void*> all, F&& f) {
  constexpr int kSize = device::Pack<T>::kSize;
  if constexpr (!std::is_same_v<T, double>) {
    if (n % kSize == 0 && Aligned(all)) return f.template operator()<kSize>();
  }
  f.template operator()<1>();
}

// Rows up to this long are a warp's, others a block's.
inline constexpr int64_t kWarpRow = 1024;

// Calls f.operator()<Row, kPack>(blocks) for a kernel of device::kThreads threads in which each
// `Row` of a block has a row of n.
template <typename T, typename F>
void DispatchRow(int64_t rows, int64_t n, std::initializer_list<const void*> all, F&& f) {
  DispatchPack<T>(n, all, [&]<int kPack>() {
    if (n <= kWarpRow) {
      constexpr int kWarps = device::kThreads / device::kWarp;
      f.template operator()<device::WarpRow, kPack>(BlocksFor(CeilDiv(rows, kWarps)));
    } else {
      f.template operator()<device::BlockRow, kPack>(BlocksFor(rows));
    }
  });
}

// y_c = sum_r x[r stride + c].
template <typename N, typename T>
void SumRows(const N* x, int64_t rows, int64_t stride, int64_t columns, T* y) {
  const int tile = device::TileFor(columns);
  Launch(device::SumRowsKernel<N, T>, BlocksFor(CeilDiv(columns, tile)), device::kThreads,
         device::DownBytes<N, 1>(), x, rows, stride, columns, tile, y);
}

}  // namespace PALIMPSEST_CUDA_FLAVOR
}  // namespace palimpsest

#endif  // KERNELS_CUDA_DISPATCH_H_
