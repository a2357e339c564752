#include "ablation/sweep_manifest.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "train/atomic_file.h"
#include "train/file.h"

namespace palimpsest {
namespace {

using Json = nlohmann::json;

// Takes fields out of objects and remembers the first that is not as it should be.
class Fields {
 public:
  std::string Text(const Json& json, const char* name, bool required = true) {
    const auto found = json.find(name);
    if (found != json.end() && found->is_string()) return found->get<std::string>();
    if (required || found != json.end()) Wrong(name, "text");
    return "";
  }
  uint64_t Number(const Json& json, const char* name) {
    const auto found = json.find(name);
    if (found != json.end() && found->is_number_unsigned()) return found->get<uint64_t>();
    Wrong(name, "number");
    return 0;
  }
  Json Objects(const Json& json, const char* name) {
    const auto found = json.find(name);
    bool good = found != json.end() && found->is_array();
    for (size_t i = 0; good && i < found->size(); ++i) good = (*found)[i].is_object();
    if (good) return *found;
    Wrong(name, "list of objects");
    return Json::array();
  }
  const std::string& wrong() const { return wrong_; }

 private:
  void Wrong(const char* name, const char* kind) {
    if (wrong_.empty()) wrong_ = absl::StrCat("has no ", kind, " \"", name, "\" where one belongs");
  }
  std::string wrong_;
};

}  // namespace

bool SweepManifest::Run::failed() const {
  static const std::set<std::string> kNot = {"waiting", "running", "stopped", "complete"};
  return !kNot.contains(status);
}

std::string SweepManifestPath(const std::string& sweep_dir) {
  return JoinPath(sweep_dir, "sweep.json");
}

absl::Status WriteSweepManifest(const std::string& sweep_dir, const SweepManifest& manifest) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const SweepManifest::Row& row : manifest.rows) {
    nlohmann::ordered_json runs = nlohmann::ordered_json::array();
    for (const SweepManifest::Run& run : row.runs)
      runs.push_back({{"seed", run.seed}, {"dir", run.dir}, {"status", run.status}});
    rows.push_back({{"name", row.name}, {"id", row.id}, {"runs", std::move(runs)}});
  }
  const nlohmann::ordered_json json{
      {"title", manifest.title},     {"baseline", manifest.baseline},   {"metric", manifest.metric},
      {"program", manifest.program}, {"directory", manifest.directory}, {"rows", std::move(rows)}};
  return WriteFileAtomically(SweepManifestPath(sweep_dir), json.dump(2) + "\n");
}

absl::StatusOr<SweepManifest> ReadSweepManifest(const std::string& sweep_dir) {
  const std::string path = SweepManifestPath(sweep_dir);
  const absl::StatusOr<std::string> text = ReadFileToString(path);
  if (!text.ok()) return text.status();
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return absl::DataLossError(absl::StrCat(path, " is damaged: it holds no JSON object"));
  Fields fields;
  SweepManifest manifest{.title = fields.Text(json, "title"),
                         .baseline = fields.Text(json, "baseline", false),
                         .metric = fields.Text(json, "metric", false),
                         .program = fields.Text(json, "program", false),
                         .directory = fields.Text(json, "directory", false),
                         .rows = {}};
  for (const Json& row : fields.Objects(json, "rows")) {
    manifest.rows.push_back({fields.Text(row, "name"), fields.Text(row, "id"), {}});
    for (const Json& run : fields.Objects(row, "runs"))
      manifest.rows.back().runs.push_back(
          {fields.Number(run, "seed"), fields.Text(run, "dir"), fields.Text(run, "status")});
  }
  if (fields.wrong().empty()) return manifest;
  return absl::DataLossError(absl::StrCat(path, " is damaged: it ", fields.wrong()));
}

}  // namespace palimpsest
