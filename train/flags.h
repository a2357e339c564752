#ifndef TRAIN_FLAGS_H_
#define TRAIN_FLAGS_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace palimpsest {

// One command's flags: --name=value, or --name for a bool.
class Flags {
 public:
  using Target = std::variant<std::string*, int64_t*, double*, bool*>;

  // `target` holds the default.
  Flags& Add(const std::string& name, Target target, const std::string& help);

  // Sets the flags; returns the arguments that are none, which start with no "--".
  absl::StatusOr<std::vector<std::string>> Parse(const std::vector<std::string>& args) const;
  // A line a flag.
  std::string Help() const;

 private:
  struct Flag {
    std::string name;
    Target target;
    std::string help;
  };
  absl::Status Set(const std::string& name, const std::string* value) const;

  std::vector<Flag> flags_;
};

}  // namespace palimpsest

#endif  // TRAIN_FLAGS_H_
