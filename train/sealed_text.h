#ifndef TRAIN_SEALED_TEXT_H_
#define TRAIN_SEALED_TEXT_H_

#include <string>

namespace palimpsest {

// Text that carries its CRC-32C, by which a changed byte is seen. It stays what it was to those who
// read it otherwise.
enum class Seal { kWhole, kNone, kBroken };

// {"step": 1} gets a last member: {"step": 1,"crc32c":"0123abcd"}.
std::string SealJson(const std::string& object);
Seal CheckJsonSeal(const std::string& sealed);

// Text format gets a comment as its first line.
std::string SealTextProto(const std::string& text);
Seal CheckTextProtoSeal(const std::string& sealed);

}  // namespace palimpsest

#endif  // TRAIN_SEALED_TEXT_H_
