#include "core/device_graph.h"

#include "core/check.h"

namespace palimpsest {
namespace {

DeviceGraph::Backend backends[kDeviceCount] = {};

const DeviceGraph::Backend& Of(Device device) {
  PALIMPSEST_CHECK(DeviceGraph::Has(device)) << "device " << device << " has no graphs";
  return backends[static_cast<int>(device)];
}

}  // namespace

bool DeviceGraph::SetBackend(Device device, Backend backend) {
  backends[static_cast<int>(device)] = backend;
  return true;
}

bool DeviceGraph::Has(Device device) { return backends[static_cast<int>(device)].begin != nullptr; }

DeviceGraph::DeviceGraph(Device device, absl::FunctionRef<void()> work) : device_(device) {
  const Backend& backend = Of(device);
  Allocator& memory = Allocator::Of(device);
  backend.begin();
  memory.UsePool(&pool_);
  work();
  memory.UsePool(nullptr);
  recorded_ = backend.end();
}

DeviceGraph::~DeviceGraph() {
  Of(device_).destroy(recorded_);
  Allocator::Of(device_).Release(&pool_);
}

void DeviceGraph::Replay() const { Of(device_).replay(recorded_); }

}  // namespace palimpsest
