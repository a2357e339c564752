#include "train/run_id.h"

#include "absl/strings/str_cat.h"
#include "core/hash.h"
#include "train/config.h"
#include "train/proto_text.h"

namespace palimpsest {

std::string RunId(const TrainConfig& config) {
  constexpr size_t kDigits = 12;
  TrainConfig complete = config;
  MakeDefaultsExplicit(&complete);
  std::string text;
  for (const auto& [field, value] : FlattenProto(complete)) {
    if (field != "seed" && !BearsOnNoResult(field)) absl::StrAppend(&text, field, "=", value, "\n");
  }
  return TextHash(text).substr(0, kDigits);
}

}  // namespace palimpsest
