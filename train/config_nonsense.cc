#include "train/config_nonsense.h"

#include <cstdint>
#include <functional>
#include <limits>

namespace palimpsest {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const std::vector<int64_t>& Integers() {
  static const std::vector<int64_t> values = {-1,
                                              0,
                                              1,
                                              3,
                                              7,
                                              100,
                                              int64_t{1} << 28,
                                              (int64_t{1} << 31) - 1,
                                              std::numeric_limits<int64_t>::max(),
                                              std::numeric_limits<int64_t>::min()};
  return values;
}

const std::vector<double>& Numbers() {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  static const std::vector<double> values = {-1, 0, 0.3, 1, 2, 1e300, kInf, -kInf, kInf - kInf};
  return values;
}

const std::vector<std::string>& Texts() {
  static const std::vector<std::string> values = {"", "nonsense", std::string(10000, 'x'),
                                                  "\x1b[2J\n*", "/"};
  return values;
}

template <typename Values, typename Set>
bool Pick(const Values& values, size_t n, const Set& set) {
  if (n >= values.size()) return false;
  set(values[n]);
  return true;
}

void SetText(Message* message, const FieldDescriptor* field, const std::string& x) {
  const Reflection* r = message->GetReflection();
  field->is_repeated() ? r->AddString(message, field, x) : r->SetString(message, field, x);
}

void SetInteger(Message* message, const FieldDescriptor* field, int64_t x) {
  const Reflection* r = message->GetReflection();
  field->is_repeated() ? r->AddInt64(message, field, x) : r->SetInt64(message, field, x);
}

// A key that nothing knows, with a number or a word.
bool SetEntry(Message* message, const FieldDescriptor* field, size_t n) {
  if (n > 0) return false;
  Message* entry = message->GetReflection()->AddMessage(message, field);
  const FieldDescriptor *key = entry->GetDescriptor()->field(0),
                        *value = entry->GetDescriptor()->field(1);
  entry->GetReflection()->SetString(entry, key, "nonsense");
  if (value->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
    entry->GetReflection()->SetString(entry, value, "nonsense");
  else
    entry->GetReflection()->SetDouble(entry, value, 1.0);
  return true;
}

bool IsPart(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map();
}

void CollectPlaces(const Message& message, const Place& place, std::vector<Place>* places) {
  places->push_back(place);
  const Reflection* r = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  r->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (!IsPart(field)) continue;
    const int count = field->is_repeated() ? r->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      Place inner = place;
      inner.emplace_back(field, i);
      CollectPlaces(field->is_repeated() ? r->GetRepeatedMessage(message, field, i)
                                         : r->GetMessage(message, field),
                    inner, places);
    }
  }
}

}  // namespace

Message* At(Message* root, const Place& place) {
  for (const auto& [field, index] : place) {
    const Reflection* r = root->GetReflection();
    root = field->is_repeated() ? r->MutableRepeatedMessage(root, field, index)
                                : r->MutableMessage(root, field);
  }
  return root;
}

std::vector<Place> PlacesOf(const Message& message) {
  std::vector<Place> places;
  CollectPlaces(message, {}, &places);
  return places;
}

bool SetNonsense(Message* message, const FieldDescriptor* field, size_t n) {
  if (field->is_map()) return SetEntry(message, field, n);
  const Reflection* r = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      return Pick(Integers(), n, [&](int64_t x) { SetInteger(message, field, x); });
    case FieldDescriptor::CPPTYPE_INT32:
      return Pick(std::vector<int32_t>{-1, 0, 1, 3, std::numeric_limits<int32_t>::max()}, n,
                  [&](int32_t x) { r->SetInt32(message, field, x); });
    case FieldDescriptor::CPPTYPE_UINT64:
      return Pick(std::vector<uint64_t>{0, ~uint64_t{0}}, n,
                  [&](uint64_t x) { r->SetUInt64(message, field, x); });
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Pick(Numbers(), n, [&](double x) { r->SetDouble(message, field, x); });
    case FieldDescriptor::CPPTYPE_BOOL:
      return Pick(std::vector<int>{0, 1}, n, [&](int x) { r->SetBool(message, field, x != 0); });
    case FieldDescriptor::CPPTYPE_STRING:
      return Pick(Texts(), n, [&](const std::string& x) { SetText(message, field, x); });
    case FieldDescriptor::CPPTYPE_ENUM:
      if (n >= static_cast<size_t>(field->enum_type()->value_count())) return false;
      r->SetEnum(message, field, field->enum_type()->value(static_cast<int>(n)));
      return true;
    default: return false;
  }
}

std::set<const FieldDescriptor*> FieldsUnder(const Descriptor* type) {
  std::set<const FieldDescriptor*> fields;
  std::set<const Descriptor*> seen;
  const std::function<void(const Descriptor*)> visit = [&](const Descriptor* t) {
    if (!seen.insert(t).second) return;
    for (int i = 0; i < t->field_count(); ++i) {
      if (IsPart(t->field(i)))
        visit(t->field(i)->message_type());
      else
        fields.insert(t->field(i));
    }
  };
  visit(type);
  return fields;
}

}  // namespace palimpsest
