#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tasks/data.h"
#include "tasks/tasks_proto_text.h"

namespace palimpsest {

std::string TaskText(const std::string& name) {
  const google::protobuf::Descriptor* message = DataConfig::descriptor();
  if (!name.empty()) {
    const google::protobuf::FieldDescriptor* field = message->FindFieldByName(name);
    PALIMPSEST_CHECK(field != nullptr) << "there is no task " << name;
    message = field->message_type();
  }
  const std::string opening = absl::StrCat("message ", message->name(), " {");
  std::string text;
  bool inside = false;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(TasksProtoText(), '\n'))) {
    inside = inside || line == opening;
    if (!inside && !absl::StartsWith(line, "//")) text.clear();
    if (inside || absl::StartsWith(line, "//")) absl::StrAppend(&text, line, "\n");
    if (inside && line == "}") return text;
  }
  PALIMPSEST_CHECK(false) << "tasks.proto has no " << opening;
  return "";
}

}  // namespace palimpsest
