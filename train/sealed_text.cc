#include "train/sealed_text.h"

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "core/crc32c.h"

namespace palimpsest {
namespace {

constexpr char kMember[] = ",\"crc32c\":\"", kMemberEnd[] = "\"}";
constexpr size_t kDigits = 8, kMemberBytes = sizeof(kMember) - 1 + kDigits + sizeof(kMemberEnd) - 1;
constexpr char kComment[] = "# crc32c ";

std::string Hex(const std::string& text) { return absl::StrFormat("%08x", Crc32c(text)); }

}  // namespace

std::string SealJson(const std::string& object) {
  return object.substr(0, object.size() - 1) + kMember + Hex(object) + kMemberEnd;
}

Seal CheckJsonSeal(const std::string& sealed) {
  if (sealed.size() < kMemberBytes) return Seal::kNone;
  const size_t at = sealed.size() - kMemberBytes;
  if (sealed.compare(at, sizeof(kMember) - 1, kMember) != 0) return Seal::kNone;
  return SealJson(sealed.substr(0, at) + "}") == sealed ? Seal::kWhole : Seal::kBroken;
}

std::string SealTextProto(const std::string& text) {
  return kComment + Hex(text) + " of the rest; --resume path=value changes it\n" + text;
}

Seal CheckTextProtoSeal(const std::string& sealed) {
  if (!absl::StartsWith(sealed, kComment)) return Seal::kNone;
  const size_t end = sealed.find('\n');
  if (end == std::string::npos) return Seal::kBroken;
  return SealTextProto(sealed.substr(end + 1)) == sealed ? Seal::kWhole : Seal::kBroken;
}

}  // namespace palimpsest
