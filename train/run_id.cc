#include "train/run_id.h"

#include "absl/strings/str_cat.h"
#include "core/hash.h"
#include "train/config.h"
#include "train/proto_text.h"

namespace palimpsest {

std::string RunId(const TrainConfig& config) {
  constexpr size_t kDigits = 12;
  TrainConfig given = config;
  ClearDefaults(&given);  // So that a field that a later version adds changes no id.
  std::string text;
  for (const auto& [field, value] : FlattenProto(given)) {
    if (field != "seed" && !BearsOnNoResult(field)) absl::StrAppend(&text, field, "=", value, "\n");
  }
  return TextHash(text).substr(0, kDigits);
}

}  // namespace palimpsest
