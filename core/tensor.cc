#include "core/tensor.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "core/allocator.h"
#include "core/fill.h"

namespace palimpsest {
namespace {

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

CopyBytes device_copies[kDeviceCount] = {};
std::atomic<int64_t> device_reads{0};

// Whether Empty is to take no memory.
thread_local bool shape_only = false;

void Copy(void* to, Device to_device, const void* from, Device from_device, int64_t bytes) {
  if (bytes == 0) return;
  if (to_device == Device::kCpu && from_device == Device::kCpu) {
    std::memcpy(to, from, bytes);
    return;
  }
  const Device device = to_device == Device::kCpu ? from_device : to_device;
  const CopyBytes copy = device_copies[static_cast<int>(device)];
  PALIMPSEST_CHECK(copy != nullptr) << "no copy between " << from_device << " and " << to_device;
  if (to_device == Device::kCpu) device_reads.fetch_add(1, std::memory_order_relaxed);
  copy(to, to_device, from, from_device, bytes);
}

}  // namespace

bool SetDeviceCopy(Device device, CopyBytes copy) {
  device_copies[static_cast<int>(device)] = copy;
  return true;
}

Tensor::Tensor(Impl impl) : impl_(std::make_shared<Impl>(std::move(impl))) {}

Tensor Tensor::Empty(Shape shape, DType dtype, Device device) {
  const int64_t size = NumElements(shape);
  if (shape_only)
    return Tensor({NextId(), std::move(shape), size, dtype, device, nullptr, nullptr});
  Allocator& allocator = Allocator::Of(device);
  MemoryBlock* block = allocator.Allocate(shape, dtype);
  void* data = block->data;
  return Tensor(
      {NextId(), std::move(shape), size, dtype, device, data,
       std::shared_ptr<MemoryBlock>(block, [&allocator](MemoryBlock* b) { allocator.Free(b); })});
}

// Of core/shape_only.h.
Tensor ShapeOnly(Shape shape, DType dtype) {
  shape_only = true;
  Tensor x = Tensor::Empty(std::move(shape), dtype);
  shape_only = false;
  return x;
}

Tensor Tensor::Full(Shape shape, double value, DType dtype, Device device) {
  Tensor x = Empty(std::move(shape), dtype, device);
  uint64_t bits = 0;
  DispatchAny(dtype, [&]<typename T>() {
    const T element = static_cast<T>(value);
    std::memcpy(&bits, &element, sizeof(element));
  });
  fill(device, {x.mutable_raw(), x.size(), static_cast<int64_t>(SizeOf(dtype)), bits});
  return x;
}

Tensor Tensor::FromVector(Shape shape, absl::Span<const double> values, DType dtype) {
  Tensor x = Empty(std::move(shape), dtype);
  PALIMPSEST_CHECK(x.size() == static_cast<int64_t>(values.size()))
      << x.shape() << " from " << values.size();
  DispatchAny(dtype, [&]<typename T>() {
    std::transform(values.begin(), values.end(), x.mutable_data<T>(),
                   [](double v) { return static_cast<T>(v); });
  });
  return x;
}

Tensor Tensor::WithShape(Shape shape) const {
  PALIMPSEST_CHECK(NumElements(shape) == size()) << this->shape() << " to " << shape;
  Impl impl = *impl_;
  impl.id = NextId();
  impl.shape = std::move(shape);
  return Tensor(std::move(impl));
}

Tensor Tensor::Rows(int64_t begin, int64_t end) const {
  PALIMPSEST_CHECK(rank() > 0 && 0 <= begin && begin <= end && end <= dim(0))
      << "rows " << begin << " to " << end << " of " << shape();
  Impl impl = *impl_;
  const int64_t row = dim(0) == 0 ? 0 : size() / dim(0);
  impl.id = NextId();
  impl.shape[0] = end - begin;
  impl.size = (end - begin) * row;
  impl.data = static_cast<char*>(impl.data) + begin * row * static_cast<int64_t>(SizeOf(dtype()));
  return Tensor(std::move(impl));
}

bool Tensor::Unique() const { return impl_.use_count() == 1 && impl_->block.use_count() == 1; }

double Tensor::Item() const {
  PALIMPSEST_CHECK(size() == 1) << "one element wanted of " << shape();
  return ToVector()[0];
}

std::vector<double> Tensor::ToVector() const {
  const Tensor host = CopyTo(*this, Device::kCpu);
  std::vector<double> values(size());
  DispatchAny(dtype(), [&]<typename T>() {
    std::transform(host.data<T>(), host.data<T>() + size(), values.begin(),
                   [](T v) { return static_cast<double>(v); });
  });
  return values;
}

int64_t TotalBytes(const NamedTensors& tensors) {
  int64_t bytes = 0;
  for (const auto& [name, x] : tensors) bytes += x.bytes();
  return bytes;
}

std::string Describe(const Tensor& x) {
  if (!x) return "(none)";
  return std::string(NameOf(x.dtype())) + " " + ToString(x.shape());
}

int64_t DeviceReads() { return device_reads.load(std::memory_order_relaxed); }

void Overwrite(Tensor& x, const Tensor& from) {
  PALIMPSEST_CHECK(x.shape() == from.shape() && x.dtype() == from.dtype())
      << Describe(x) << " by " << Describe(from);
  Copy(x.mutable_raw(), x.device(), from.raw(), from.device(), x.bytes());
}

Tensor CopyTo(const Tensor& x, Device device) {
  if (x.device() == device) return x;
  Tensor y = Tensor::Empty(x.shape(), x.dtype(), device);
  Copy(y.mutable_raw(), device, x.raw(), x.device(), x.bytes());
  return y;
}

}  // namespace palimpsest
