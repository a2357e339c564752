#ifndef TASKS_TASKS_PROTO_TEXT_H_
#define TASKS_TASKS_PROTO_TEXT_H_

#include <string>

namespace palimpsest {

std::string TasksProtoText();  // tasks.proto

}  // namespace palimpsest

#endif  // TASKS_TASKS_PROTO_TEXT_H_
