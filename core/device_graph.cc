#include "core/device_graph.h"

#include <utility>

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

GraphMemory::~GraphMemory() { Allocator::Of(device_).Release(&pool_); }

DeviceGraph::DeviceGraph(std::shared_ptr<GraphMemory> memory, absl::FunctionRef<void()> work)
    : memory_(std::move(memory)) {
  const Backend& backend = Of(memory_->device_);
  Allocator& allocator = Allocator::Of(memory_->device_);
  backend.begin();
  allocator.UsePool(&memory_->pool_);
  work();
  allocator.UsePool(nullptr);
  recorded_ = backend.end();
}

DeviceGraph::~DeviceGraph() { Of(memory_->device_).destroy(recorded_); }

void DeviceGraph::Replay() const { Of(memory_->device_).replay(recorded_); }

}  // namespace palimpsest
