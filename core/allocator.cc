#include "core/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/check.h"
#include "core/op_scope.h"

namespace palimpsest {
namespace {

constexpr int64_t kSmallest = 64;
constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int kReported = 5;

// "3.2 GiB", "12.0 MiB".
std::string Amount(int64_t bytes) {
  const double mib = static_cast<double>(bytes) / 1048576.0;
  return mib < 1024 ? absl::StrFormat("%.1f MiB", mib) : absl::StrFormat("%.2f GiB", mib / 1024);
}

// The next of four steps between powers of two.
int64_t Bucket(int64_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  const int64_t step = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes - 1))) / 4;
  return (bytes + step - 1) / step * step;
}

void* AllocateCpu(int64_t bytes) {
  const int64_t alignment = bytes >= kHugePage ? kHugePage : kSmallest;
  const int64_t size = (bytes + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, size);
  // Fewer page faults on first touch; only advice, so a refusal is of no consequence.
  if (data != nullptr && alignment == kHugePage) (void)madvise(data, size, MADV_HUGEPAGE);
  return data;
}

// What this process may use: the machine's memory, or its control group's share.
int64_t CpuLimit() {
  int64_t limit = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  int64_t group = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> group && group > 0)
    limit = std::min(limit, group);
  return limit;
}

std::function<void(const absl::Status&)>& Handler() {
  static auto* handler =
      new std::function<void(const absl::Status&)>([](const absl::Status& status) {
        std::cerr << status.message() << std::endl;
        std::_Exit(1);
      });
  return *handler;
}

std::string Describe(const char* op, const Shape& shape, DType dtype, int64_t bytes) {
  return absl::StrFormat("%s %s %s by %s", Amount(bytes), NameOf(dtype), ToString(shape),
                         *op ? op : "(no op)");
}

Allocator* Allocators() {
  static auto* allocators = new Allocator[kDeviceCount]{
      Allocator(Device::kCpu), Allocator(Device::kCuda), Allocator(Device::kSimulatedCuda)};
  return allocators;
}

[[maybe_unused]] const bool registered_cpu = Allocator::SetBackend(
    Device::kCpu,
    {AllocateCpu, [](void* data) { std::free(data); },
     [](void* data, int byte, int64_t bytes) { std::memset(data, byte, bytes); }, CpuLimit});

}  // namespace

Allocator& Allocator::Of(Device device) {
  PALIMPSEST_CHECK(Has(device)) << "no memory for device " << device
                                << " in this build or on this machine";
  return Allocators()[static_cast<int>(device)];
}

bool Allocator::Has(Device device) {
  Allocator& a = Allocators()[static_cast<int>(device)];
  return a.backend_.allocate != nullptr && a.Limit() > 0;
}

absl::Status Allocator::Check(Device device) {
  if (Has(device)) return absl::OkStatus();
  const Backend& backend = Allocators()[static_cast<int>(device)].backend_;
  const std::string why = backend.allocate == nullptr   ? "this program was built without CUDA"
                          : backend.why_none == nullptr ? "there is none in this machine"
                                                        : backend.why_none();
  return absl::FailedPreconditionError("no CUDA device: " + why);
}

int64_t Allocator::Limit() {
  if (limit_ < 0) limit_ = backend_.limit();
  return limit_;
}

bool Allocator::SetBackend(Device device, Backend backend) {
  Allocator& a = Allocators()[static_cast<int>(device)];
  a.backend_ = backend;
  a.live_.next = a.live_.prev = &a.live_;
  return true;
}

MemoryBlock* Allocator::Allocate(const Shape& shape, DType dtype) {
  int64_t bytes = 0;
  PALIMPSEST_CHECK(
      !__builtin_mul_overflow(NumElements(shape), static_cast<int64_t>(SizeOf(dtype)), &bytes) &&
      bytes <= std::numeric_limits<int64_t>::max() / 2)
      << "shape " << shape << " of " << dtype << " has too many bytes";
  const int64_t capacity = Bucket(bytes);
  std::unique_lock lock(mutex_);
  void* data = Take(capacity);
  if (data == nullptr) {
    const absl::Status status = absl::ResourceExhaustedError(Report(shape, dtype));
    lock.unlock();
    Handler()(status);
    std::abort();
  }
  stats_.live_bytes += capacity;
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
  auto* block = new MemoryBlock{data,   bytes,      capacity, OpScope::Current(), shape, dtype,
                                &live_, live_.prev, pool_};
  live_.prev->next = block;
  live_.prev = block;
  if (poison_) backend_.fill(data, 0xff, capacity);
  return block;
}

void* Allocator::TakeFree(std::map<int64_t, std::vector<void*>>& free, int64_t capacity) {
  const auto it = free.find(capacity);
  if (it == free.end() || it->second.empty()) return nullptr;
  void* data = it->second.back();
  it->second.pop_back();
  stats_.cached_bytes -= capacity;
  return data;
}

void* Allocator::Take(int64_t capacity) {
  if (pool_ != nullptr) {
    if (void* data = TakeFree(pool_->free, capacity)) return data;
  }
  if (void* data = TakeFree(free_, capacity)) return data;
  if (stats_.live_bytes + stats_.cached_bytes + capacity > Limit()) TrimLocked();
  if (stats_.live_bytes + capacity > Limit()) return nullptr;
  const auto request = [&] {
    ++stats_.requests;
    return backend_.allocate(capacity);
  };
  void* data = request();
  if (data == nullptr && stats_.cached_bytes > 0) {
    TrimLocked();
    data = request();
  }
  return data;
}

void Allocator::Free(MemoryBlock* block) {
  const std::lock_guard lock(mutex_);
  block->next->prev = block->prev;
  block->prev->next = block->next;
  stats_.live_bytes -= block->capacity;
  stats_.cached_bytes += block->capacity;
  (block->pool == nullptr ? free_ : block->pool->free)[block->capacity].push_back(block->data);
  delete block;
}

MemoryStats Allocator::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Allocator::ResetPeak() {
  const std::lock_guard lock(mutex_);
  stats_.peak_bytes = stats_.live_bytes;
}

void Allocator::Trim() {
  const std::lock_guard lock(mutex_);
  TrimLocked();
  if (backend_.release != nullptr) backend_.release();
}

void Allocator::TrimLocked() {
  for (auto& [capacity, blocks] : free_) {
    for (void* data : blocks) backend_.free(data);
    stats_.cached_bytes -= capacity * static_cast<int64_t>(blocks.size());
  }
  free_.clear();
}

void Allocator::UsePool(MemoryPool* pool) {
  const std::lock_guard lock(mutex_);
  pool_ = pool;
}

void Allocator::Release(MemoryPool* pool) {
  const std::lock_guard lock(mutex_);
  for (auto& [capacity, blocks] : pool->free)
    free_[capacity].insert(free_[capacity].end(), blocks.begin(), blocks.end());
  pool->free.clear();
  for (MemoryBlock* b = live_.next; b != &live_; b = b->next) {
    if (b->pool == pool) b->pool = nullptr;
  }
}

int64_t Allocator::limit() {
  const std::lock_guard lock(mutex_);
  return Limit();
}

void Allocator::SetLimit(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
}

void Allocator::SetPoison(bool poison) {
  const std::lock_guard lock(mutex_);
  poison_ = poison;
}

// Keeps the phrase "out of memory. Tried to allocate", by which job runners know this error.
std::string Allocator::Report(const Shape& shape, DType dtype) const {
  std::vector<const MemoryBlock*> largest;
  for (const MemoryBlock* b = live_.next; b != &live_; b = b->next) largest.push_back(b);
  const auto count = std::min<size_t>(kReported, largest.size());
  std::partial_sort(largest.begin(), largest.begin() + count, largest.end(),
                    [](const MemoryBlock* a, const MemoryBlock* b) { return a->bytes > b->bytes; });
  std::string report =
      absl::StrFormat("%s out of memory. Tried to allocate %s; capacity %s, live %s, peak %s.",
                      device_ == Device::kCpu ? "CPU" : "CUDA",
                      Describe(OpScope::Current(), shape, dtype,
                               NumElements(shape) * static_cast<int64_t>(SizeOf(dtype))),
                      Amount(limit_), Amount(stats_.live_bytes), Amount(stats_.peak_bytes));
  if (count > 0) report += " Largest live tensors:";
  for (size_t i = 0; i < count; ++i) {
    const MemoryBlock& b = *largest[i];
    report += (i ? "; " : " ") + Describe(b.op, b.shape, b.dtype, b.bytes);
  }
  return report + ". Lower the batch size or the sequence length, or recompute activations.";
}

void SetOutOfMemoryHandler(std::function<void(const absl::Status&)> handler) {
  Handler() = std::move(handler);
}

}  // namespace palimpsest
