#include "core/pending_item.h"

#include "core/check.h"

namespace palimpsest {
namespace {

PendingItem::Backend backends[kDeviceCount] = {};

const PendingItem::Backend& Of(Device device) {
  const PendingItem::Backend& backend = backends[static_cast<int>(device)];
  PALIMPSEST_CHECK(backend.begin != nullptr) << "nothing reads from device " << device;
  return backend;
}

}  // namespace

bool PendingItem::SetBackend(Device device, Backend backend) {
  backends[static_cast<int>(device)] = backend;
  return true;
}

PendingItem::PendingItem(const Tensor& x) : device_(x.device()) {
  PALIMPSEST_CHECK(x.size() == 1 && x.dtype() == DType::kF64) << "one f64 wanted, got " << x;
  if (device_ == Device::kCpu) {
    value_ = x.Item();
  } else {
    begun_ = Of(device_).begin(x.raw());
  }
}

PendingItem::~PendingItem() {
  if (begun_ != nullptr) Of(device_).end(begun_);
}

double PendingItem::Get() const { return begun_ == nullptr ? value_ : Of(device_).wait(begun_); }

}  // namespace palimpsest
