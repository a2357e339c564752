#include "program/flags.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

// Each returns what it wants if the text is not that.
const char* Assign(const std::string& text, std::string* target) {
  *target = text;
  return nullptr;
}
const char* Assign(const std::string& text, std::vector<std::string>* target) {
  target->push_back(text);
  return nullptr;
}
const char* Assign(const std::string& text, int64_t* target) {
  return absl::SimpleAtoi(text, target) ? nullptr : "an integer";
}
const char* Assign(const std::string& text, double* target) {
  return absl::SimpleAtod(text, target) ? nullptr : "a number";
}
const char* Assign(const std::string& text, bool* target) {
  return absl::SimpleAtob(text, target) ? nullptr : "true or false";
}

std::string Show(const std::string& value) {
  return value.empty() ? "" : absl::StrCat(" (", value, ")");
}
std::string Show(int64_t value) { return absl::StrCat(" (", value, ")"); }
std::string Show(double value) { return absl::StrCat(" (", value, ")"); }
std::string Show(bool) { return ""; }
std::string Show(const std::vector<std::string>&) { return ""; }

}  // namespace

Flags& Flags::Add(const std::string& name, const std::string& value, Target target,
                  const std::string& help) {
  flags_.push_back({name, value, target, help});
  return *this;
}

absl::Status Flags::Set(const std::string& name, const std::string* value) const {
  for (const Flag& flag : flags_) {
    if (flag.name != name) continue;
    const bool is_bool = std::holds_alternative<bool*>(flag.target);
    if (value == nullptr && !is_bool)
      return absl::InvalidArgumentError(absl::StrCat("--", name, " needs a value: ", flag.Usage()));
    const std::string text = value == nullptr ? "true" : *value;
    const char* wanted =
        std::visit([&](auto* target) { return Assign(text, target); }, flag.target);
    if (wanted == nullptr) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("--", name, "=", text, ": must be ", wanted));
  }
  return Unknown("--" + name);
}

absl::Status Flags::Unknown(const std::string& arg) const {
  std::vector<std::string> known;
  for (const Flag& flag : flags_) known.push_back("--" + flag.name);
  return absl::InvalidArgumentError(absl::StrCat("unknown flag ", NameAndKnown(arg, known)));
}

absl::StatusOr<std::vector<std::string>> Flags::Parse(const std::vector<std::string>& args) const {
  std::vector<std::string> rest;
  for (const std::string& arg : args) {
    if (!absl::StartsWith(arg, "-")) {
      rest.push_back(arg);
      continue;
    }
    if (!absl::StartsWith(arg, "--")) return Unknown(arg);
    const size_t equals = arg.find('=');
    const std::string name = arg.substr(2, equals == std::string::npos ? equals : equals - 2);
    const std::string value = equals == std::string::npos ? "" : arg.substr(equals + 1);
    if (absl::Status s = Set(name, equals == std::string::npos ? nullptr : &value); !s.ok())
      return s;
  }
  return rest;
}

std::string Flags::Help() const {
  std::string text;
  for (const Flag& flag : flags_) {
    const std::string value = std::visit([](auto* target) { return Show(*target); }, flag.target);
    absl::StrAppendFormat(&text, "  %-18s %s%s\n", flag.Usage(), flag.help, value);
  }
  return text;
}

}  // namespace palimpsest
