#ifndef TRAIN_OVERRIDE_H_
#define TRAIN_OVERRIDE_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace palimpsest {

// Sets one field by "path=value": model.width=64, model.blocks.0.mixer="delta", a map's entry as
// rule.params.hidden=64. Strings need no quotes; a message is { fields } in text format.
absl::Status ApplyOverride(const std::string& override_text, google::protobuf::Message* message);

}  // namespace palimpsest

#endif  // TRAIN_OVERRIDE_H_
