#ifndef TASKS_DRAWS_H_
#define TASKS_DRAWS_H_

#include <cstdint>
#include <vector>

#include "core/random.h"

namespace palimpsest {

// The numbers of a stream, one after another.
class Draws {
 public:
  explicit Draws(const RandomStream& stream) : stream_(stream) {}
  int64_t Below(int64_t n) { return static_cast<int64_t>(stream_.Below(next_++, n)); }
  double Uniform() { return stream_.Uniform(next_++); }
  // `count` distinct integers of [low, high), in random order.
  std::vector<int32_t> Distinct(int64_t count, int64_t low, int64_t high);

 private:
  const RandomStream stream_;
  uint64_t next_ = 0;
};

}  // namespace palimpsest

#endif  // TASKS_DRAWS_H_
