#ifndef CORE_TENSOR_H_
#define CORE_TENSOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/check.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"

namespace palimpsest {

struct MemoryBlock;

// A value: dense, row-major, immutable once an op returned it. Copies share the buffer. It carries
// no autograd state; a Tape knows what happened to it by `id()`.
class Tensor {
 public:
  Tensor() = default;  // No tensor; false.

  // Uninitialised, for a kernel to fill through `mutable_data`.
  static Tensor Empty(Shape shape, DType dtype, Device device = Device::kCpu);
  // `Full` and `FromVector` convert to `dtype`.
  static Tensor Full(Shape shape, double value, DType dtype, Device device = Device::kCpu);
  static Tensor FromVector(Shape shape, absl::Span<const double> values, DType dtype);
  template <typename T>
  static Tensor From(Shape shape, absl::Span<const T> values);

  explicit operator bool() const { return impl_ != nullptr; }
  uint64_t id() const { return impl_->id; }
  const Shape& shape() const { return impl_->shape; }
  int rank() const { return static_cast<int>(shape().size()); }
  int64_t dim(int axis) const { return shape()[NormalizeAxis(axis, rank())]; }
  int64_t size() const { return impl_->size; }
  int64_t bytes() const { return size() * static_cast<int64_t>(SizeOf(dtype())); }
  DType dtype() const { return impl_->dtype; }
  Device device() const { return impl_->device; }

  // Device pointers. `T` must be the element type.
  template <typename T>
  const T* data() const {
    CheckType(kDTypeOf<T>);
    return static_cast<const T*>(raw());
  }
  // Only for whoever made the tensor, before anyone else sees it.
  template <typename T>
  T* mutable_data() {
    CheckType(kDTypeOf<T>);
    return static_cast<T*>(mutable_raw());
  }
  const void* raw() const { return impl_->data; }
  void* mutable_raw() { return impl_->data; }

  // Same buffer, other shape, new id: to a tape, a constant. Ops record what they make of it.
  Tensor WithShape(Shape shape) const;
  Tensor Detach() const { return WithShape(shape()); }
  // Rows [begin, end) of the first axis; shares the buffer, new id.
  Tensor Rows(int64_t begin, int64_t end) const;
  // No one else holds this tensor or its buffer, so its owner may reuse it.
  bool Unique() const;

  // The only element, and all elements, converted; copied to the host.
  double Item() const;
  std::vector<double> ToVector() const;

 private:
  struct Impl {
    uint64_t id;
    Shape shape;
    int64_t size;
    DType dtype;
    Device device;
    void* data;
    std::shared_ptr<MemoryBlock> block;
  };
  explicit Tensor(Impl impl);
  void CheckType(DType dtype) const {
    PALIMPSEST_CHECK(dtype == impl_->dtype)
        << "a tensor of " << impl_->dtype << " read as " << dtype;
  }

  std::shared_ptr<Impl> impl_;
};

using Tensors = std::vector<Tensor>;
// By path ("blocks.0.mixer.q.weight"); the order of the keys is the order of everything done to
// all.
using NamedTensors = std::map<std::string, Tensor>;
int64_t TotalBytes(const NamedTensors& tensors);

// "f32 [2,3]", for messages.
std::string Describe(const Tensor& x);
inline std::ostream& operator<<(std::ostream& os, const Tensor& x) { return os << Describe(x); }

// Copies to `device`; the same tensor if it is there already. To the host, this waits for all that
// its device was told to do before.
Tensor CopyTo(const Tensor& x, Device device);
// Writes the elements of `from`, a tensor like x on any device, into x's own memory: everyone who
// holds x sees them. For inputs of what a DeviceGraph has recorded.
void Overwrite(Tensor& x, const Tensor& from);
// How often this process has waited for a device by copying from it to the host.
int64_t DeviceReads();
// Copies `bytes` between a device and the host, or within the device; set by the device's backend.
using CopyBytes = void (*)(void* to, Device to_device, const void* from, Device from_device,
                           int64_t bytes);
bool SetDeviceCopy(Device device, CopyBytes copy);

template <typename T>
Tensor Tensor::From(Shape shape, absl::Span<const T> values) {
  Tensor x = Empty(std::move(shape), kDTypeOf<T>);
  PALIMPSEST_CHECK(x.size() == static_cast<int64_t>(values.size()))
      << x.shape() << " from " << values.size();
  std::copy(values.begin(), values.end(), x.mutable_data<T>());
  return x;
}

}  // namespace palimpsest

#endif  // CORE_TENSOR_H_
