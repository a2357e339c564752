#ifndef TRAIN_PROTO_TEXT_H_
#define TRAIN_PROTO_TEXT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace palimpsest {

// Text format into `message`. Errors are InvalidArgument with "file:line:column" and, for a field
// or value that does not exist, those that do.
absl::Status ParseTextProto(const std::string& text, const std::string& file,
                            google::protobuf::Message* message);

// The same on top of what `message` holds; errors have no place.
absl::Status MergeTextProto(const std::string& text, google::protobuf::Message* message);

// Sets each field that has a default and no value to its default, so that a later version's
// defaults change nothing. A message inside one of its own kind, which overrides that one, is left
// alone.
void MakeDefaultsExplicit(google::protobuf::Message* message);

// The reverse: unsets what is set to its default.
void ClearDefaults(google::protobuf::Message* message);

// Every scalar that is set, by the path an override would use.
std::map<std::string, std::string> FlattenProto(const google::protobuf::Message& message);

// "'widht'; did you mean 'width'? Known: depth, width"
std::string NameAndKnown(const std::string& name, const std::vector<std::string>& known);

std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type);

}  // namespace palimpsest

#endif  // TRAIN_PROTO_TEXT_H_
