#ifndef TASKS_GROUP_H_
#define TASKS_GROUP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace palimpsest {

// A finite group of permutations, made by closure from generators. Element 0 is the identity; the
// others follow in lexicographic order of what they make of 0, 1, 2 ...
class Group {
 public:
  // S3, A5, Z60, D4 (of a square), and products of some: "A4_x_Z5". Factors move points of their
  // own.
  static absl::StatusOr<Group> Make(const std::string& name);

  int64_t size() const { return static_cast<int64_t>(elements_.size()); }
  // a after b.
  int64_t Product(int64_t a, int64_t b) const { return products_[a * size() + b]; }
  const std::vector<int>& Element(int64_t element) const { return elements_[element]; }

 private:
  std::vector<std::vector<int>> elements_;
  std::vector<int32_t> products_;  // [size, size]
};

}  // namespace palimpsest

#endif  // TASKS_GROUP_H_
