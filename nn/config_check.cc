#include "nn/config_check.h"

#include <cmath>

#include "absl/strings/str_join.h"

namespace palimpsest {

void ConfigCheck::Size(const char* field, int64_t value, int64_t least, int64_t most) {
  Require(value >= least && value <= most, field, value, " is not between ", least, " and ", most);
}

void ConfigCheck::Product(const char* fields, std::initializer_list<int64_t> sizes) {
  int64_t product = 1;
  for (const int64_t size : sizes) {
    Require(size == 0 || product <= kMaxSize / size, fields, absl::StrJoin(sizes, " x "),
            " is more than ", kMaxSize);
    if (!ok()) return;
    product *= size;
  }
}

void ConfigCheck::Positive(const char* field, double value) {
  Require(value > 0.0 && std::isfinite(value), field, value, " is not positive and finite");
}

void ConfigCheck::Rate(const char* field, double value) {
  Require(value >= 0.0 && value < 1.0, field, value, " is not in [0, 1)");
}

int64_t ResolveKeyDim(ConfigCheck& check, int64_t width, int64_t heads, int64_t key_dim) {
  check.Size("heads", heads);
  check.Size("key_dim", key_dim, 0);
  if (!check.ok() || key_dim > 0) return key_dim;
  check.Require(width % heads == 0, "heads", heads, " does not divide width ", width,
                "; choose another or set key_dim");
  return width / heads;
}

}  // namespace palimpsest
