#include "train/override.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "train/proto_text.h"

namespace palimpsest {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// What a field of this type takes; empty for messages.
std::string Kind(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return "a 32-bit integer";
    case FieldDescriptor::CPPTYPE_INT64: return "a 64-bit integer";
    case FieldDescriptor::CPPTYPE_UINT64: return "a 64-bit integer that is not negative";
    case FieldDescriptor::CPPTYPE_DOUBLE: return "a number";
    case FieldDescriptor::CPPTYPE_BOOL: return "true or false";
    case FieldDescriptor::CPPTYPE_STRING: return "text";
    case FieldDescriptor::CPPTYPE_MESSAGE: return "";
    default: return field.cpp_type_name();
  }
}

// Walks a path to the message that holds its last field.
class OverrideTarget {
 public:
  explicit OverrideTarget(Message* message) : message_(message) {}

  absl::Status Set(std::vector<std::string> path, const std::string& value) {
    size_t i = 0;
    while (true) {
      const FieldDescriptor* field = message_->GetDescriptor()->FindFieldByName(path[i]);
      if (field == nullptr)
        return absl::InvalidArgumentError(
            absl::StrCat(message_->GetDescriptor()->name(), " has no field ",
                         NameAndKnown(path[i], FieldNames(*message_->GetDescriptor()))));
      ++i;
      if (field->is_map()) {
        if (i == path.size())
          return absl::InvalidArgumentError(
              absl::StrCat(field->name(), " is a map: name an entry"));
        // What is left is the key: keys may have dots in them.
        EnterMapEntry(*field, absl::StrJoin(path.begin() + i, path.end(), "."));
        return SetField(*message_->GetDescriptor()->FindFieldByName("value"), value);
      }
      if (field->is_repeated() && i < path.size()) {
        int index = 0;
        const int size = message_->GetReflection()->FieldSize(*message_, field);
        if (!absl::SimpleAtoi(path[i], &index) || index < 0 || index >= size)
          return absl::InvalidArgumentError(absl::StrCat(
              field->name(), " has ", size, " elements, and none with index '", path[i], "'"));
        ++i;
        if (field->message_type() == nullptr) return SetElement(*field, index, value);
        message_ = message_->GetReflection()->MutableRepeatedMessage(message_, field, index);
        if (i == path.size()) return Parse(*field, value, message_);
        continue;
      }
      if (i == path.size()) return SetField(*field, value);
      if (field->message_type() == nullptr)
        return absl::InvalidArgumentError(
            absl::StrCat(field->name(), " has no fields: it is ",
                         field->enum_type() != nullptr ? "one of a few names" : Kind(*field)));
      message_ = message_->GetReflection()->MutableMessage(message_, field);
    }
  }

 private:
  void EnterMapEntry(const FieldDescriptor& map, const std::string& key) {
    const Reflection& reflection = *message_->GetReflection();
    const FieldDescriptor* key_field = map.message_type()->FindFieldByName("key");
    for (int i = 0; i < reflection.FieldSize(*message_, &map); ++i) {
      Message* entry = reflection.MutableRepeatedMessage(message_, &map, i);
      if (entry->GetReflection()->GetString(*entry, key_field) != key) continue;
      message_ = entry;
      return;
    }
    message_ = reflection.AddMessage(message_, &map);
    message_->GetReflection()->SetString(message_, key_field, key);
  }

  absl::Status SetField(const FieldDescriptor& field, const std::string& value) {
    const Reflection& reflection = *message_->GetReflection();
    if (field.type() == FieldDescriptor::TYPE_STRING && !field.is_repeated() &&
        (value.empty() || (value[0] != '"' && value[0] != '\''))) {
      reflection.SetString(message_, &field, value);
      return absl::OkStatus();
    }
    if (field.is_repeated()) reflection.ClearField(message_, &field);
    return Parse(field, value, message_);
  }

  absl::Status SetElement(const FieldDescriptor& field, int index, const std::string& value) {
    const Reflection& reflection = *message_->GetReflection();
    // Text format can only append: append, and swap into place.
    if (field.type() == FieldDescriptor::TYPE_STRING) {
      reflection.AddString(message_, &field, value);
    } else if (absl::Status s = Parse(field, value, message_); !s.ok()) {
      return s;
    }
    reflection.SwapElements(message_, &field, index, reflection.FieldSize(*message_, &field) - 1);
    reflection.RemoveLast(message_, &field);
    return absl::OkStatus();
  }

  // `holder` has the field, or is the element itself of a repeated one.
  static absl::Status Parse(const FieldDescriptor& field, const std::string& value,
                            Message* holder) {
    const bool element = holder->GetDescriptor() == field.message_type();
    std::string text = value;
    if (element && absl::StartsWith(text, "{") && absl::EndsWith(text, "}"))
      text = text.substr(1, text.size() - 2);
    if (!element) text = absl::StrCat(field.name(), field.message_type() ? " " : ": ", value);
    const absl::Status status = MergeTextProto(text, holder);
    if (status.ok() || field.enum_type() != nullptr) return status;
    const std::string kind = Kind(field);
    if (!kind.empty())
      return absl::InvalidArgumentError(absl::StrCat(field.name(), " must be ", kind));
    return absl::InvalidArgumentError(
        absl::StrCat(field.name(), " is a message; ", std::string(status.message())));
  }

  Message* message_;
};

}  // namespace

absl::Status ApplyOverride(const std::string& override_text, Message* message) {
  const size_t equals = override_text.find('=');
  if (equals == std::string::npos || equals == 0)
    return absl::InvalidArgumentError(
        absl::StrCat("override '", override_text, "': write it as path.to.field=value"));
  const std::vector<std::string> path = absl::StrSplit(override_text.substr(0, equals), '.');
  const absl::Status status = OverrideTarget(message).Set(path, override_text.substr(equals + 1));
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat("override '", override_text, "': ", std::string(status.message())));
}

}  // namespace palimpsest
