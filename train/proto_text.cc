#include "train/proto_text.h"

#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"

namespace palimpsest {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

// Insertions, deletions, changes and swaps of neighbours.
int EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = static_cast<int>(i + j);
        continue;
      }
      d[i][j] =
          std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

// The values of the enum that some field of this name has, in `type` or below it.
std::vector<std::string> EnumValues(const Descriptor& type, const std::string& field,
                                    std::set<const Descriptor*>* seen) {
  if (!seen->insert(&type).second) return {};
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& f = *type.field(i);
    std::vector<std::string> values;
    if (f.name() == field && f.enum_type() != nullptr) {
      for (int j = 0; j < f.enum_type()->value_count(); ++j)
        values.push_back(f.enum_type()->value(j)->name());
    } else if (f.message_type() != nullptr) {
      values = EnumValues(*f.message_type(), field, seen);
    }
    if (!values.empty()) return values;
  }
  return {};
}

// The parser says what it met; we add what there is.
std::string Explain(const std::string& message, const Descriptor& root) {
  const std::vector<std::string> words = absl::StrSplit(message, '"');
  if (words.size() == 5 && absl::StartsWith(words[2], " has no field named")) {
    const Descriptor* type = root.file()->pool()->FindMessageTypeByName(words[1]);
    if (type != nullptr)
      return absl::StrCat(type->name(), " has no field ",
                          NameAndKnown(words[3], FieldNames(*type)));
  }
  if (words.size() == 5 && absl::StartsWith(words[0], "Unknown enumeration value")) {
    std::set<const Descriptor*> seen;
    return absl::StrCat(words[3], " has no value ",
                        NameAndKnown(words[1], EnumValues(root, words[3], &seen)));
  }
  if (absl::EndsWith(message, "got: ")) return message + "the end";
  return absl::StrReplaceAll(message, {{"found \"\"", "found the end"}});
}

class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  explicit FirstError(const Descriptor& root) : root_(root) {}
  // Lines and columns count from 0.
  void AddError(int line, int column, const std::string& message) override {
    if (!error_.empty()) return;
    line_ = line, column_ = column;
    error_ = Explain(message, root_);
  }
  std::string place() const { return absl::StrCat(line_ + 1, ":", column_ + 1); }
  const std::string& error() const { return error_; }
  // Where a value is wrong, "field: "; else nothing.
  std::string FieldIn(const std::string& text) const {
    const std::vector<std::string> lines = absl::StrSplit(text, '\n');
    const auto line = static_cast<size_t>(std::max(line_, 0));
    if (line >= lines.size()) return "";
    std::string before = lines[line].substr(0, static_cast<size_t>(std::max(column_, 0)));
    absl::StripTrailingAsciiWhitespace(&before);
    if (!absl::EndsWith(before, ":")) return "";
    const size_t end = before.find_last_not_of(": ");
    const size_t other = before.find_last_not_of(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", end);
    if (end == std::string::npos || end == other) return "";
    const size_t begin = other == std::string::npos ? 0 : other + 1;
    return before.substr(begin, end + 1 - begin) + ": ";
  }

 private:
  const Descriptor& root_;
  int line_ = 0, column_ = 0;
  std::string error_;
};

std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  std::string text;
  TextFormat::PrintFieldValueToString(message, &field, index, &text);
  return text;
}

void Flatten(const Message& message, const std::string& prefix,
             std::map<std::string, std::string>* out) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* f : fields) {
    const std::string name = absl::StrCat(prefix, f->name());
    const int size = f->is_repeated() ? reflection.FieldSize(message, f) : 1;
    for (int i = 0; i < size; ++i) {
      std::string path = f->is_repeated() ? absl::StrCat(name, ".", i) : name;
      if (f->message_type() == nullptr) {
        (*out)[path] = ScalarText(message, *f, f->is_repeated() ? i : -1);
        continue;
      }
      const Message& child = f->is_repeated() ? reflection.GetRepeatedMessage(message, f, i)
                                              : reflection.GetMessage(message, f);
      if (f->is_map()) {
        const Descriptor& entry = *child.GetDescriptor();
        path = absl::StrCat(name, ".",
                            child.GetReflection()->GetString(child, entry.FindFieldByName("key")));
        (*out)[path] = ScalarText(child, *entry.FindFieldByName("value"), -1);
        continue;
      }
      Flatten(child, path + ".", out);
    }
  }
}

// Calls `visit` with each message and each of its fields that has a default. A message inside one
// of its own kind (`around` it) overrides that one: there, unset does not mean default.
template <typename Fn>
void VisitDefaults(Message* message, std::set<const Descriptor*>* around, Fn visit) {
  const Reflection& reflection = *message->GetReflection();
  const Descriptor& type = *message->GetDescriptor();
  if (!around->insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& f = *type.field(i);
    if (f.is_map()) continue;
    if (f.message_type() != nullptr && f.is_repeated()) {
      for (int j = 0; j < reflection.FieldSize(*message, &f); ++j)
        VisitDefaults(reflection.MutableRepeatedMessage(message, &f, j), around, visit);
    } else if (f.message_type() != nullptr) {
      if (reflection.HasField(*message, &f))
        VisitDefaults(reflection.MutableMessage(message, &f), around, visit);
    } else if (f.has_default_value() && f.containing_oneof() == nullptr) {
      visit(message, f);
    }
  }
  around->erase(&type);
}

std::string DefaultText(const Message& message, const FieldDescriptor& field) {
  const std::unique_ptr<Message> defaults(message.New());
  return ScalarText(*defaults, field, -1);
}

}  // namespace

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::string NameAndKnown(const std::string& full_name, const std::vector<std::string>& known) {
  constexpr size_t kLongest = 64;  // Longer is no name, but a file of something else.
  std::string name = full_name.substr(0, kLongest);
  if (name != full_name) name += "...";
  std::string text = absl::StrCat("'", name, "'");
  const auto closest = std::min_element(
      known.begin(), known.end(),
      [&](const auto& a, const auto& b) { return EditDistance(name, a) < EditDistance(name, b); });
  if (closest != known.end() &&
      EditDistance(name, *closest) <= 1 + static_cast<int>(name.size()) / 4)
    absl::StrAppend(&text, "; did you mean '", *closest, "'?");
  else
    absl::StrAppend(&text, ".");
  absl::StrAppend(&text, " Known: ", absl::StrJoin(known, ", "));
  return text;
}

absl::Status ParseTextProto(const std::string& text, const std::string& file, Message* message) {
  FirstError errors(*message->GetDescriptor());
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  if (parser.ParseFromString(text, message)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(file, ":", errors.place(), ": ", errors.FieldIn(text), errors.error()));
}

absl::Status MergeTextProto(const std::string& text, Message* message) {
  FirstError errors(*message->GetDescriptor());
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  if (parser.MergeFromString(text, message)) return absl::OkStatus();
  return absl::InvalidArgumentError(errors.error());
}

void MakeDefaultsExplicit(Message* message) {
  std::set<const Descriptor*> around;
  VisitDefaults(message, &around, [](Message* m, const FieldDescriptor& f) {
    if (!m->GetReflection()->HasField(*m, &f))
      TextFormat::Parser().ParseFieldValueFromString(DefaultText(*m, f), &f, m);
  });
}

void ClearDefaults(Message* message) {
  std::set<const Descriptor*> around;
  VisitDefaults(message, &around, [](Message* m, const FieldDescriptor& f) {
    if (ScalarText(*m, f, -1) == DefaultText(*m, f)) m->GetReflection()->ClearField(m, &f);
  });
}

std::map<std::string, std::string> FlattenProto(const Message& message) {
  std::map<std::string, std::string> out;
  Flatten(message, "", &out);
  return out;
}

}  // namespace palimpsest
