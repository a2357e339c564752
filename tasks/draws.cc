#include "tasks/draws.h"

#include <numeric>
#include <utility>

namespace palimpsest {

// The first steps of a Fisher-Yates shuffle.
std::vector<int32_t> Draws::Distinct(int64_t count, int64_t low, int64_t high) {
  std::vector<int32_t> all(high - low);
  std::iota(all.begin(), all.end(), static_cast<int32_t>(low));
  for (int64_t i = 0; i < count; ++i) std::swap(all[i], all[i + Below(high - low - i)]);
  all.resize(count);
  return all;
}

}  // namespace palimpsest
