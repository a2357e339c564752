#include "train/run_summary.h"

#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "train/atomic_file.h"
#include "train/file.h"
#include "train/sealed_text.h"

namespace palimpsest {
namespace {

constexpr char kMayLack[] = "val_sequence_accuracy";

// One table of the fields for both directions. `field` is called with a name and a value.
template <typename Summary, typename Fn>
void ForEachField(Summary& s, Fn field) {
  field("step", s.step);
  field("tokens", s.tokens);
  field("loss", s.loss);
  field("val_loss", s.val_loss);
  field("val_accuracy", s.val_accuracy);
  field(kMayLack, s.val_sequence_accuracy);
  field("seconds", s.seconds);
  field("tokens_per_second", s.tokens_per_second);
  field("parameters", s.cost.parameters);
  field("non_embedding_parameters", s.cost.non_embedding_parameters);
  field("state_bytes", s.cost.state_bytes);
  field("flops_per_token", s.cost.flops_per_token);
  field("version", s.version);
}

bool Read(const nlohmann::json& json, int64_t& value) {
  if (json.is_number_integer()) value = json.get<int64_t>();
  return json.is_number_integer();
}
// What is not finite is written as null.
bool Read(const nlohmann::json& json, double& value) {
  value = json.is_number() ? json.get<double>() : NAN;
  return json.is_number() || json.is_null();
}
bool Read(const nlohmann::json& json, std::string& value) {
  if (json.is_string()) value = json.get<std::string>();
  return json.is_string();
}

}  // namespace

std::string RunSummaryPath(const std::string& run) { return JoinPath(run, "summary.json"); }

absl::Status WriteSummary(const std::string& run, const RunSummary& summary) {
  nlohmann::ordered_json json{{"status", "complete"}};
  ForEachField(summary, [&](const char* name, const auto& value) { json[name] = value; });
  return WriteFileAtomically(RunSummaryPath(run), SealJson(json.dump(2)) + "\n");
}

absl::StatusOr<RunSummary> ReadSummary(const std::string& run) {
  const std::string path = RunSummaryPath(run);
  if (!FileExists(path)) return absl::NotFoundError(absl::StrCat("there is no ", path));
  const absl::StatusOr<std::string> text = ReadFileToString(path);
  if (!text.ok()) return text.status();
  const nlohmann::json json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return absl::DataLossError(absl::StrCat(path, " is damaged: it holds no JSON object"));
  if (CheckJsonSeal(std::string(absl::StripSuffix(*text, "\n"))) == Seal::kBroken)
    return absl::DataLossError(absl::StrCat(path, " is damaged: it does not have its checksum"));
  RunSummary summary;
  std::string wrong;
  ForEachField(summary, [&](const char* name, auto& value) {
    const auto found = json.find(name);
    if (found == json.end() && std::string_view(name) == kMayLack) return;
    if (wrong.empty() && (found == json.end() || !Read(*found, value))) wrong = name;
  });
  if (wrong.empty()) return summary;
  return absl::DataLossError(absl::StrCat(path, " is damaged: it has no proper ", wrong));
}

}  // namespace palimpsest
