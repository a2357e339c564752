#ifndef PROGRAM_FLAGS_H_
#define PROGRAM_FLAGS_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace palimpsest {

// One command's flags: --name=value, or --name for a bool. A list takes a value each time.
class Flags {
 public:
  using Target = std::variant<std::string*, int64_t*, double*, bool*, std::vector<std::string>*>;

  // `target` holds the default. `value` stands for what is given ("FILE"); none for a bool.
  Flags& Add(const std::string& name, const std::string& value, Target target,
             const std::string& help);

  // Sets the flags; returns the arguments that are none, which start with no "-".
  absl::StatusOr<std::vector<std::string>> Parse(const std::vector<std::string>& args) const;
  // A line a flag.
  std::string Help() const;

 private:
  struct Flag {
    std::string name, value;
    Target target;
    std::string help;
    std::string Usage() const { return "--" + name + (value.empty() ? "" : "=" + value); }
  };
  absl::Status Set(const std::string& name, const std::string* value) const;
  absl::Status Unknown(const std::string& arg) const;

  std::vector<Flag> flags_;
};

}  // namespace palimpsest

#endif  // PROGRAM_FLAGS_H_
