#ifndef CORE_ALLOCATOR_H_
#define CORE_ALLOCATOR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"

namespace palimpsest {

struct MemoryStats {
  int64_t live_bytes = 0;    // In tensors now.
  int64_t peak_bytes = 0;    // The most there was since ResetPeak.
  int64_t cached_bytes = 0;  // Free, kept for reuse.
  int64_t requests = 0;      // Blocks asked of the device, ever: none, where all can be reused.
};

// Blocks for what a DeviceGraph has recorded, which uses them whenever it is replayed: nobody else
// may get them while it lives.
struct MemoryPool {
  std::map<int64_t, std::vector<void*>> free;  // By capacity.
};

// A piece of device memory and who asked for it.
struct MemoryBlock {
  void* data = nullptr;
  int64_t bytes = 0;     // Asked for.
  int64_t capacity = 0;  // Given: the bucket's size.
  const char* op = "";   // The op in progress at the time.
  Shape shape;
  DType dtype = DType::kF32;
  MemoryBlock *next = nullptr, *prev = nullptr;  // Among the live ones.
  MemoryPool* pool = nullptr;                    // Where it goes when it is freed; nullptr: to all.
};

// Hands out blocks from free lists by size bucket (four to a doubling), and knows all live ones.
// Thread-safe. A block that is reused is not waited for: a device runs everything in one order.
class Allocator {
 public:
  struct Backend {
    void* (*allocate)(int64_t bytes);  // nullptr when there is no more; at least 64-byte aligned.
    void (*free)(void* data);
    void (*fill)(void* data, int byte, int64_t bytes);
    int64_t (*limit)();  // Bytes, live and cached together; 0: there is no such device here.
    std::string (*why_none)() = nullptr;  // Where limit() is 0.
    void (*release)() = nullptr;          // To the device, what it still keeps of what was freed.
  };

  static Allocator& Of(Device device);
  // Gives `device` its memory; called by the device's backend at start-up, which must cost nothing:
  // whether there is a device is asked when it is first needed.
  static bool SetBackend(Device device, Backend backend);
  static bool Has(Device device);
  // OK where Has(device); else FailedPrecondition, which says why there is none.
  static absl::Status Check(Device device);

  MemoryBlock* Allocate(const Shape& shape, DType dtype);
  void Free(MemoryBlock* block);

  MemoryStats stats() const;
  void ResetPeak();
  // Returns the cached blocks to the device.
  void Trim();
  int64_t limit();  // Bytes, live and cached together.
  void SetLimit(int64_t bytes);
  // Until it is called with nullptr, new blocks are of `pool`.
  void UsePool(MemoryPool* pool);
  // Gives up a pool: its blocks are for all, those that live once they are freed.
  void Release(MemoryPool* pool);
  // Fills new blocks with bytes 0xff: NaN in every float dtype. For tests.
  void SetPoison(bool poison);

  explicit Allocator(Device device) : device_(device) {}

 private:
  int64_t Limit();
  void* Take(int64_t capacity);
  void* TakeFree(std::map<int64_t, std::vector<void*>>& free, int64_t capacity);
  void TrimLocked();
  std::string Report(const Shape& shape, DType dtype) const;

  const Device device_;
  mutable std::mutex mutex_;
  Backend backend_ = {};
  std::atomic<int64_t> limit_ = -1;  // Not known yet.
  bool poison_ = false;
  MemoryPool* pool_ = nullptr;
  MemoryStats stats_;
  std::map<int64_t, std::vector<void*>> free_;  // By capacity.
  MemoryBlock live_;                            // Head of the ring of live blocks.
};

// Called with the error when memory runs out; must not return. By default prints it and exits
// with 1.
void SetOutOfMemoryHandler(std::function<void(const absl::Status&)> handler);

}  // namespace palimpsest

#endif  // CORE_ALLOCATOR_H_
