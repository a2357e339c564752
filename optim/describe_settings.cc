#include "optim/describe_settings.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace palimpsest {

std::string Describe(const Settings& s) {
  if (s.frozen) return "frozen";
  const auto hyper = [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.first, "=", entry.second);
  };
  std::string text = absl::StrCat(s.optimizer, " ", absl::StrJoin(s.hypers, " ", hyper));
  for (const OptimizerConfig::Level& level : s.config.level())
    absl::StrAppend(&text, " level={", level.ShortDebugString(), "}");
  if (s.lr_factor != 1.0) absl::StrAppend(&text, " lr_factor=", s.lr_factor);
  const std::string schedule = s.schedule.ShortDebugString();
  return schedule.empty() ? text : absl::StrCat(text, " schedule={", schedule, "}");
}

std::string DescribeShortly(const Settings& s) {
  if (s.frozen) return "frozen";
  std::string text = absl::StrFormat("%s, lr %.3g", s.optimizer, s.hypers.at("lr") * s.lr_factor);
  if (const double decay = s.hypers.at("weight_decay"); decay > 0)
    absl::StrAppendFormat(&text, ", weight decay %.3g", decay);
  if (s.schedule.kind() == OptimizerConfig::Schedule::CONSTANT) return text;
  const std::string kind = OptimizerConfig::Schedule::Kind_Name(s.schedule.kind());
  return absl::StrCat(text, ", ", absl::AsciiStrToLower(kind));
}

}  // namespace palimpsest
