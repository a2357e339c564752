#ifndef CORE_DEVICE_GRAPH_H_
#define CORE_DEVICE_GRAPH_H_

#include <memory>

#include "absl/functional/function_ref.h"
#include "core/allocator.h"
#include "core/device.h"

namespace palimpsest {

// What recordings have for the tensors that are made in them. Several may share it, as only one is
// done at a time: each leaves its results there until another is replayed.
class GraphMemory {
 public:
  explicit GraphMemory(Device device) : device_(device) {}
  ~GraphMemory();
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

 private:
  friend class DeviceGraph;
  const Device device_;
  MemoryPool pool_;
};

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
  // Tensors it makes are in `memory`, and those that live are up to date after each replay.
  DeviceGraph(std::shared_ptr<GraphMemory> memory, absl::FunctionRef<void()> work);
  // In memory of its own.
  DeviceGraph(Device device, absl::FunctionRef<void()> work)
      : DeviceGraph(std::make_shared<GraphMemory>(device), work) {}
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  void Replay() const;

 private:
  const std::shared_ptr<GraphMemory> memory_;
  void* recorded_ = nullptr;
};

}  // namespace palimpsest

#endif  // CORE_DEVICE_GRAPH_H_
