#ifndef CORE_PENDING_ITEM_H_
#define CORE_PENDING_ITEM_H_

#include "core/device.h"
#include "core/tensor.h"

namespace palimpsest {

// A number on its way from a device to the host.
class PendingItem {
 public:
  // Set by a device's backend.
  struct Backend {
    void* (*begin)(const void* from);  // Of an f64.
    double (*wait)(void* begun);
    void (*end)(void* begun);
  };
  static bool SetBackend(Device device, Backend backend);

  // Of one f64, as it is when the device comes to it.
  explicit PendingItem(const Tensor& x);
  ~PendingItem();
  PendingItem(const PendingItem&) = delete;
  PendingItem& operator=(const PendingItem&) = delete;

  // Waits for what the device was told before this was made, and not for what it was told since.
  double Get() const;

 private:
  const Device device_;
  double value_ = 0.0;  // On the CPU.
  void* begun_ = nullptr;
};

}  // namespace palimpsest

#endif  // CORE_PENDING_ITEM_H_
