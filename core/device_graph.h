#ifndef CORE_DEVICE_GRAPH_H_
#define CORE_DEVICE_GRAPH_H_

#include <memory>

#include "absl/functional/function_ref.h"
#include "core/allocator.h"
#include "core/device.h"

namespace palimpsest {

// What a device is told to do, recorded once and then done as one piece, as often as one likes: a
// CUDA graph. Addresses and numbers are those of the recording; Overwrite gives it other inputs.
class DeviceGraph {
 public:
  // Set by a device's backend.
  struct Backend {
    void (*begin)();
    void* (*end)();  // What was recorded since.
    void (*replay)(void* recorded);
    void (*destroy)(void* recorded);
  };
  static bool SetBackend(Device device, Backend backend);
  static bool Has(Device device);

  // Calls `work`; what it tells `device` to do is not done before Replay. It must have been done
  // once without a recording, so that libraries are loaded, and must not read from the device.
  // Memory of tensors it makes belongs to the graph, which keeps those that live up to date.
  DeviceGraph(Device device, absl::FunctionRef<void()> work);
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  void Replay() const;

 private:
  const Device device_;
  MemoryPool pool_;
  void* recorded_ = nullptr;
};

}  // namespace palimpsest

#endif  // CORE_DEVICE_GRAPH_H_
