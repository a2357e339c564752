#include "train/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/hash.h"
#include "train/atomic_file.h"
#include "train/safetensors.h"

namespace palimpsest {
namespace {

constexpr char kPrefix[] = "step-", kSuffix[] = ".safetensors";
constexpr char kFormat[] = "2";

// Where a field of Checkpoint that is a map of tensors lives in the file.
struct Section {
  const char* prefix;
  NamedTensors Checkpoint::*tensors;
};
constexpr Section kSections[] = {{"model/", &Checkpoint::params},
                                 {"optimizer/", &Checkpoint::optimizer},
                                 {"state/", &Checkpoint::state}};

std::optional<int64_t> StepOf(const std::string& filename) {
  absl::string_view name = filename;
  int64_t step;
  if (!absl::ConsumePrefix(&name, kPrefix) || !absl::ConsumeSuffix(&name, kSuffix))
    return std::nullopt;
  if (!absl::SimpleAtoi(name, &step) || step < 0) return std::nullopt;
  return step;
}

struct Listing {
  std::map<int64_t, std::string, std::greater<>> checkpoints;  // Paths by step, newest first.
  std::vector<std::string> partial;
};

absl::StatusOr<Listing> List(const std::string& dir) {
  Listing listing;
  std::error_code error;
  std::filesystem::directory_iterator it(dir, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (const std::optional<int64_t> step = StepOf(name))
      listing.checkpoints.emplace(*step, it->path().string());
    if (absl::StartsWith(name, kPrefix) &&
        absl::StrContains(name, absl::StrCat(kSuffix, AtomicFile::kPartial))) {
      listing.partial.push_back(it->path().string());
    }
  }
  if (!error) return listing;
  const std::string message = absl::StrCat(dir, ": listing checkpoints: ", error.message());
  if (error == std::errc::no_such_file_or_directory) return absl::NotFoundError(message);
  return absl::UnknownError(message);
}

absl::Status Remove(const std::string& path) {
  std::error_code error;
  std::filesystem::remove(path, error);
  if (!error) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat(path, ": removing an old checkpoint: ", error.message()));
}

// Reads the metadata's entries; remembers the first that is missing or malformed.
class MetadataReader {
 public:
  explicit MetadataReader(const std::map<std::string, std::string>& metadata)
      : metadata_(metadata) {}

  std::string Text(const std::string& key) {
    const auto it = metadata_.find(key);
    if (it != metadata_.end()) return it->second;
    Fail(absl::StrCat("no '", key, "' in its metadata"));
    return "";
  }
  template <typename Int>
  void Number(const std::string& key, Int& value) {
    const std::string text = Text(key);
    if (!absl::SimpleAtoi(text, &value))
      Fail(absl::StrCat("'", key, "' in its metadata is '", text, "', not a number"));
  }
  void Fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }
  const std::string& error() const { return error_; }

 private:
  const std::map<std::string, std::string>& metadata_;
  std::string error_;
};

// The metadata of `c`, and back.
std::map<std::string, std::string> MetadataOf(const Checkpoint& c) {
  return {{"format", kFormat},
          {"step", absl::StrCat(c.step)},
          {"tokens", absl::StrCat(c.tokens)},
          {"seed", absl::StrCat(c.seed)},
          {"stream", absl::StrCat(c.stream)},
          {"data", absl::StrCat(c.data)},
          {"config", c.config},
          {"config_hash", ConfigHash(c.config)},
          {"version", c.version}};
}

std::string ReadMetadata(const std::map<std::string, std::string>& metadata, Checkpoint& c) {
  MetadataReader reader(metadata);
  if (const std::string format = reader.Text("format"); format != kFormat) {
    reader.Fail(
        absl::StrCat("a checkpoint of format '", format, "'; this program reads ", kFormat));
  }
  reader.Number("step", c.step);
  reader.Number("tokens", c.tokens);
  reader.Number("seed", c.seed);
  reader.Number("stream", c.stream);
  reader.Number("data", c.data);
  c.config = reader.Text("config");
  c.version = reader.Text("version");
  if (reader.Text("config_hash") != ConfigHash(c.config))
    reader.Fail("its config is not the one it was written with");
  return reader.error();
}

}  // namespace

std::string CheckpointPath(const std::string& dir, int64_t step) {
  return absl::StrFormat("%s/%s%08d%s", dir, kPrefix, step, kSuffix);
}

absl::Status SaveCheckpoint(const std::string& dir, const Checkpoint& checkpoint) {
  TensorFile file{{}, MetadataOf(checkpoint), /*checksums=*/true};
  for (const Section& section : kSections) {
    for (const auto& [name, x] : checkpoint.*section.tensors)
      file.tensors.emplace(absl::StrCat(section.prefix, name), x);
  }
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error)
    return absl::UnknownError(absl::StrCat(dir, ": creating the directory: ", error.message()));
  return WriteSafetensors(CheckpointPath(dir, checkpoint.step), file);
}

absl::Status PruneCheckpoints(const std::string& dir, int64_t written,
                              const CheckpointsKept& kept) {
  const absl::StatusOr<Listing> listing = List(dir);
  if (!listing.ok()) return listing.status();
  std::vector<std::string> old = listing->partial;
  const int64_t newest = std::max<int64_t>(kept.newest, 2);
  int64_t whole = 0;
  for (const auto& [step, path] : listing->checkpoints) {
    const bool stays = step == written || (kept.every > 0 && step % kept.every == 0);
    if (whole >= newest && !stays) old.push_back(path);
    if (whole < newest && (step == written || CheckSafetensors(path).ok())) ++whole;
  }
  absl::Status status;
  for (const std::string& path : old) status.Update(Remove(path));
  return status;
}

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path, CheckpointPart part) {
  absl::StatusOr<TensorFile> file = ReadSafetensors(path, [&](const std::string& name) {
    if (part == CheckpointPart::kWithoutOptimizer) return !absl::StartsWith(name, "optimizer/");
    return part == CheckpointPart::kAll;
  });
  if (!file.ok()) return file.status();
  Checkpoint checkpoint;
  if (const std::string error = ReadMetadata(file->metadata, checkpoint); !error.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a checkpoint: ", error));
  }
  if (!file->checksums)
    return absl::DataLossError(absl::StrCat(path, ": damaged: its checksums are gone"));
  for (auto& entry : file->tensors) {
    const std::string& name = entry.first;
    const auto section =
        std::find_if(std::begin(kSections), std::end(kSections),
                     [&](const Section& s) { return absl::StartsWith(name, s.prefix); });
    if (section == std::end(kSections)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": not a checkpoint: tensor '", name, "' belongs to no part of it"));
    }
    const std::string key(absl::StripPrefix(name, section->prefix));
    (checkpoint.*section->tensors).emplace(key, std::move(entry.second));
  }
  return checkpoint;
}

absl::StatusOr<FoundCheckpoint> LoadNewestCheckpoint(const std::string& dir, CheckpointPart part) {
  const absl::StatusOr<Listing> listing = List(dir);
  if (!listing.ok()) return listing.status();
  std::vector<std::string> ignored;
  for (const auto& [step, path] : listing->checkpoints) {
    absl::StatusOr<Checkpoint> checkpoint = LoadCheckpoint(path, part);
    if (checkpoint.ok()) return FoundCheckpoint{path, *std::move(checkpoint), std::move(ignored)};
    ignored.push_back(std::string(checkpoint.status().message()));
  }
  if (ignored.empty()) return absl::NotFoundError(absl::StrCat(dir, ": no checkpoint"));
  return absl::DataLossError(
      absl::StrCat(dir, ": no whole checkpoint: ", absl::StrJoin(ignored, "; ")));
}

absl::Status MatchTensors(const std::string& where, const std::string& what,
                          const NamedTensors& found, const NamedTensors& expected) {
  constexpr size_t kMostLines = 4;
  std::vector<std::string> lines;
  for (const auto& [name, x] : expected) {
    const auto it = found.find(name);
    if (it == found.end()) {
      lines.push_back(absl::StrCat(name, ": missing; expected ", Describe(x)));
    } else if (it->second.shape() != x.shape() || it->second.dtype() != x.dtype()) {
      lines.push_back(absl::StrCat(name, ": ", Describe(it->second), "; expected ", Describe(x)));
    }
  }
  for (const auto& [name, x] : found) {
    if (!expected.contains(name))
      lines.push_back(absl::StrCat(name, ": ", Describe(x), "; not expected"));
  }
  if (lines.empty()) return absl::OkStatus();
  const size_t more = lines.size() - std::min(lines.size(), kMostLines);
  lines.resize(lines.size() - more);
  if (more > 0) lines.push_back(absl::StrCat("and ", more, " more"));
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": its ", what, " do not match: ", absl::StrJoin(lines, "; ")));
}

std::string ConfigHash(const std::string& config) { return TextHash(config); }

}  // namespace palimpsest
